/** The `%%qwex` line of a cell: read, changed and written again, what is not known here left as it is. */

/** The flags that the form knows, as texts; empty means not given. */
export interface Asked {
  gpu: string;
  cpu: string;
  mem: string;
  queue: string;
  /** Names of variables to send along, and of those to bring back; with commas between them. */
  inputs: string;
  outputs: string;
}

export const NOTHING: Asked = { gpu: '', cpu: '', mem: '', queue: '', inputs: '', outputs: '' };

const MAGIC = '%%qwex';
const FLAGS: Record<string, keyof Asked> = {
  '--gpu': 'gpu',
  '--cpu': 'cpu',
  '--mem': 'mem',
  '--queue': 'queue',
  '-q': 'queue',
  '-i': 'inputs',
  '--inputs': 'inputs',
  '-o': 'outputs',
  '--outputs': 'outputs'
};
const WRITTEN: [keyof Asked, string][] = [
  ['gpu', '--gpu'],
  ['cpu', '--cpu'],
  ['mem', '--mem'],
  ['queue', '--queue'],
  ['inputs', '-i'],
  ['outputs', '-o']
];

/** Whether the cell is run as a job. */
export function isJob(source: string): boolean {
  return head(source).word === MAGIC;
}

/** What the cell's line asks for. */
export function read(source: string): Asked {
  return split(head(source).words).asked;
}

/** The cell with a line that asks for `asked`; flags that the form does not know stay. */
export function write(source: string, asked: Asked): string {
  const { word, words, body } = head(source);
  const kept = word === MAGIC ? split(words).others : [];
  const given = WRITTEN.filter(([name]) => asked[name].trim()).map(([name, flag]) => `${flag} ${quoted(asked[name])}`);
  return [MAGIC, ...given, ...kept].join(' ') + '\n' + (word === MAGIC ? body : source);
}

/** The cell without its line: it runs in the notebook again. */
export function remove(source: string): string {
  const { word, body } = head(source);
  return word === MAGIC ? body : source;
}

/** The magic's word and line, and what stands below. */
function head(source: string): { word: string; words: string[]; body: string } {
  const text = source.replace(/^\s*\n/, '');
  const end = text.indexOf('\n');
  const words = tokens(end < 0 ? text : text.slice(0, end));
  return { word: words[0] ?? '', words: words.slice(1), body: end < 0 ? '' : text.slice(end + 1) };
}

function split(words: readonly string[]): { asked: Asked; others: string[] } {
  const asked = { ...NOTHING };
  const others: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const [flag, value] = word.startsWith('--') && word.includes('=') ? halves(word) : [word, null];
    const name = FLAGS[flag];
    if (!name) {
      others.push(word);
    } else {
      const text = unquoted(value ?? words[++at] ?? '');
      const many = name === 'inputs' || name === 'outputs';
      asked[name] = many && asked[name] ? `${asked[name]},${text}` : text;
    }
  }
  return { asked, others };
}

function halves(word: string): [string, string] {
  const at = word.indexOf('=');
  return [word.slice(0, at), word.slice(at + 1)];
}

/** The words of a line with their quotes. */
function tokens(line: string): string[] {
  return line.match(/(?:[^\s"']|"(?:\\.|[^"\\])*"|'[^']*')+/g) ?? [];
}

/** The words of a line as a shell splits them. */
export function words(line: string): string[] {
  return tokens(line).map(unquoted);
}

function unquoted(word: string): string {
  return /^(["']).*\1$/.test(word) ? word.slice(1, -1) : word;
}

function quoted(value: string): string {
  const word = value.trim().replace(/\s*,\s*/g, ',');
  return /^[\w.:,/@+{}$-]*$/.test(word) ? word : `'${word.replace(/'/g, '')}'`;
}
