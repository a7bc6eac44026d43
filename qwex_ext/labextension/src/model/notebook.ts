/** What a notebook's job may be given. */

/** A notebook as nbformat has it, as far as it is looked at here. */
export interface Notebook {
  cells?: { cell_type?: string; source?: string | string[]; metadata?: { tags?: unknown } }[];
  metadata?: { kernelspec?: { name?: string } };
}

/** A name that a job may set, and its default as code. */
export interface Parameter {
  name: string;
  value: string;
}

const ASSIGNMENT = /^([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)\s*(.*?)\s*(?:#[^'"]*)?$/;

/** Those of the cell tagged `parameters`; null without such a cell. */
export function parameters({ cells = [] }: Notebook): Parameter[] | null {
  const cell = cells.find(each => each.cell_type === 'code' && tags(each.metadata?.tags).includes('parameters'));
  if (!cell) {
    return null;
  }
  const source = Array.isArray(cell.source) ? cell.source.join('') : (cell.source ?? '');
  const found = source.split('\n').map(line => ASSIGNMENT.exec(line));
  return found.flatMap(match => (match ? [{ name: match[1]!, value: match[2]! }] : []));
}

function tags(given: unknown): readonly unknown[] {
  return Array.isArray(given) ? given : [];
}
