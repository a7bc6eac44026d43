/** The parameters of a notebook, as papermill knows them: what its cell with that tag sets. */

export interface Parameter {
  name: string;
  /** As it is written in the notebook. */
  value: string;
}

const ASSIGNMENT = /^([A-Za-z_]\w*)\s*(?::[^=]+)?=\s*([^=].*?)\s*(?:#.*)?$/;

/** The single assignments of the cell tagged `parameters`. */
export function parameters(notebook: unknown): Parameter[] {
  const cells = (notebook as { cells?: unknown[] }).cells ?? [];
  const tagged = cells.find(cell => tags(cell).includes('parameters')) as { source?: string | string[] } | undefined;
  const source = tagged?.source ?? '';
  const lines = (Array.isArray(source) ? source.join('') : source).split('\n');
  return lines.flatMap(line => {
    const match = ASSIGNMENT.exec(line);
    return match ? [{ name: match[1]!, value: match[2]! }] : [];
  });
}

/** What was typed, read as JSON where it is JSON, else as text; what was left empty is left out. */
export function valued(typed: Readonly<Record<string, string>>): Record<string, unknown> {
  const given = Object.entries(typed).filter(([, text]) => text.trim());
  return Object.fromEntries(given.map(([name, text]) => [name, value(text.trim())]));
}

function value(text: string): unknown {
  const python = { True: true, False: false, None: null }[text];
  if (python !== undefined) {
    return python;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text.replace(/^(["'])(.*)\1$/, '$2');
  }
}

function tags(cell: unknown): readonly string[] {
  return (cell as { metadata?: { tags?: string[] } }).metadata?.tags ?? [];
}
