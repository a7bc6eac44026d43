/** One's own jobs among the running terminals and kernels. */
import type { IRunningSessionManagers, IRunningSessions } from '@jupyterlab/running';
import { Signal } from '@lumino/signaling';
import { RUNNING } from '../api/types';
import type { Brief, Mine } from '../model/mine';
import { attempt } from '../views/actions';
import { joined, stateWord } from '../views/words';
import { qwexIcon } from './icons';
import type { Qwex } from './tokens';

export function addRunning(qwex: Qwex, managers: IRunningSessionManagers): void {
  const { board, host, mine } = qwex;
  const { trans } = host;
  const runningChanged = new Signal<Mine, void>(mine);
  mine.subscribe(() => runningChanged.emit());
  const stop = (id: string): void => {
    void attempt(host, () => board.cancel(id));
  };
  managers.add({
    name: trans.__('Jobs'),
    running: () => [...mine.jobs.values()].map(job => item(job)),
    refreshRunning: () => undefined,
    runningChanged,
    shutdownLabel: trans.__('Stop'),
    shutdownAllLabel: trans.__('Stop All'),
    shutdownAllConfirmationText: trans.__('Stop all of your jobs, those that wait too?'),
    shutdownAll: () => [...mine.jobs.keys()].forEach(stop)
  });

  function item(job: Brief): IRunningSessions.IRunningItem {
    const state = RUNNING.includes(job.state) ? '' : stateWord(job.state, trans);
    return {
      open: () => host.openJob(job),
      shutdown: () => stop(job.id),
      icon: () => qwexIcon,
      label: () => job.name,
      labelTitle: () => joined(job.id, state),
      detail: () => state
    };
  }
}
