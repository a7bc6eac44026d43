/** What a person asks of a new dev machine, and what the API is asked for. */

/** The fields of the form, as texts; empty means not given. */
export interface AskedMachine {
  name: string;
  gpu: string;
  cpu: string;
  memory: string;
  queue: string;
  image: string;
  idle: string;
  home: string;
  provider: string;
}

export type MachineField = keyof AskedMachine;

export const NO_MACHINE: AskedMachine = {
  name: '',
  gpu: '',
  cpu: '',
  memory: '',
  queue: '',
  image: '',
  idle: '2h',
  home: '',
  provider: ''
};

const RESOURCES: readonly MachineField[] = ['gpu', 'cpu', 'memory'];

/** The fields of a `MachineSpec` that were filled in. */
export function specOf(asked: AskedMachine): Record<string, unknown> {
  const given = Object.entries(asked)
    .map(([name, text]) => [name as MachineField, text.trim()] as const)
    .filter(([, text]) => text);
  const resources = Object.fromEntries(given.filter(([name]) => RESOURCES.includes(name)));
  const others = Object.fromEntries(given.filter(([name]) => !RESOURCES.includes(name)));
  return { name: '', ...others, resources };
}

/** What is wrong with each field, and what belongs to none that the form has. */
export interface Wrong {
  fields: Readonly<Partial<Record<MachineField, string>>>;
  rest: string;
}

export const NOTHING_WRONG: Wrong = { fields: {}, rest: '' };

/** Where the parts of a refusal belong: the API names fields as `spec.resources.gpu`. */
export function wrongOf(told: string, problems: readonly { field: string; message: string }[]): Wrong {
  const fields: Partial<Record<MachineField, string>> = {};
  const rest: string[] = [];
  for (const { field, message } of problems) {
    const name = field.split('.').pop() ?? '';
    if (name in NO_MACHINE) {
      fields[name as MachineField] = message;
    } else {
      rest.push(field ? `${field}: ${message}` : message);
    }
  }
  return { fields, rest: problems.length ? rest.join('\n') : told };
}
