/** Says when one of one's own jobs has ended that took long enough to be forgotten, and what else there is to know. */
import { Notification } from '@jupyterlab/apputils';
import type { Job } from '../api/types';
import { cause, ending, joined } from '../views/words';
import type { Qwex } from './tokens';

export interface Wishes {
  notify: 'all' | 'failures' | 'none';
  /** Seconds that a job was there for. */
  notifyAfter: number;
}

export function addNotifications(qwex: Qwex, wishes: () => Wishes): void {
  qwex.board.feed.subscribe(news => {
    if (news.kind === 'notice') {
      Notification.info(news.notice, { autoClose: 10_000 });
    }
  });
  qwex.mine.onEnd((news, seconds) => {
    const { notify, notifyAfter } = wishes();
    const wanted = notify === 'all' || (notify === 'failures' && news.state === 'FAILED');
    if (wanted && news.state !== 'CANCELLED' && seconds >= notifyAfter) {
      void tell(qwex, news.id).catch(() => undefined);
    }
  });
}

async function tell(qwex: Qwex, id: string): Promise<void> {
  const job = await qwex.board.api.job(id);
  const { trans } = qwex.host;
  const open = {
    label: trans.__('Open'),
    callback: () => qwex.host.openJob(job, job.state === 'FAILED' ? 'logs' : undefined)
  };
  Notification.emit(said(job, qwex), job.state === 'FAILED' ? 'error' : 'success', {
    autoClose: 10_000,
    actions: [open]
  });
}

function said(job: Job, { host: { trans } }: Qwex): string {
  return `${job.name}: ${joined(ending(job, Date.now(), trans), job.state === 'FAILED' ? cause(job) : '')}`;
}
