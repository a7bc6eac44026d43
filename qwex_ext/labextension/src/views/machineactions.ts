/** What can be done with a dev machine, the same by the pointer and by the keyboard. */
import type { Machine } from '../api/types';
import { attempt } from './actions';
import { useQwex } from './host';

export interface MachineActions {
  start(machine: Machine): Promise<void>;
  /** Asks first where somebody may be at work. */
  stop(machine: Machine): Promise<void>;
  /** Asks first, and whether the home goes, too. */
  remove(machine: Machine): Promise<void>;
  copySsh(machine: Machine): Promise<void>;
  /** Has ssh on the server's machine know all of them. */
  know(): Promise<void>;
}

export function useMachineActions(): MachineActions {
  const { board, host } = useQwex();
  const { machines } = board;
  const { trans } = host;
  const know = (): Promise<void> => attempt(host, () => host.knowMachines());
  return {
    know,
    start: ({ id }) => attempt(host, () => machines.start(id)),
    async stop({ id, name, state }) {
      const said = trans.__(
        '“%1” stops, and what runs on it ends. Its home is kept, and its quota is given back.',
        name
      );
      if (state !== 'RUNNING' || (await host.confirm(trans.__('Stop this machine?'), said, trans.__('Stop')))) {
        await attempt(host, () => machines.stop(id));
      }
    },
    async remove({ id, name }) {
      const said = trans.__('“%1” is deleted. Its home is kept, and a machine of that name gets it.', name);
      const choice = trans.__('Delete the home, too, with all that is in it');
      const done = await host.confirmWith(trans.__('Delete this machine?'), said, trans.__('Delete'), choice);
      if (done) {
        await attempt(host, () => machines.delete(id, done.chosen));
      }
    },
    async copySsh({ name }) {
      host.copy(`ssh qwex-${name}`);
      await know();
    }
  };
}
