/** What can be done with a job, the same from a row, a card and a page. */
import { asApiError, type ApiError } from '../api/problem';
import { ended, type Job } from '../api/types';
import { moreMemory } from './words';
import { useQwex, type Host, type Words } from './host';

export interface Actions {
  /** Asks first: what a stopped job has computed is gone. */
  stop(job: Job): Promise<void>;
  resubmit(job: Job): Promise<void>;
  /** The same job with twice the memory; for one that ran out of it. */
  resubmitLarger(job: Job): Promise<void>;
}

/** Does it; what goes wrong is said, with the command that helps. */
export async function attempt(host: Host, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (error) {
    host.say(told(asApiError(error), host.trans), true);
  }
}

/** What went wrong, and the command that helps, in one line. */
export function told({ message, command }: ApiError, trans: Words): string {
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
  return command ? `${sentence} ${trans.__('Try: %1', command)}` : message;
}

export function useActions(): Actions {
  const { host, board } = useQwex();
  const { trans } = host;

  const again = (job: Job, changes: Record<string, unknown>): Promise<void> =>
    attempt(host, async () => {
      const next = await board.resubmit(job.id, changes);
      host.say(trans.__('%1 is submitted again as %2.', job.name, next.id));
      host.openJob(next);
    });

  return {
    async stop(job) {
      const said = trans.__('“%1” stops, and what it has not returned yet is lost. Its output stays.', job.name);
      if (!ended(job) && (await host.confirm(trans.__('Stop this job?'), said, trans.__('Stop')))) {
        await attempt(host, () => board.cancel(job.id));
      }
    },
    resubmit: job => again(job, {}),
    resubmitLarger: job => again(job, { resources: { memory: moreMemory(job) } })
  };
}
