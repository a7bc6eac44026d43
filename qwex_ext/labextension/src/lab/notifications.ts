/** Says when one of one's own jobs has ended that took long enough to be forgotten. */
import { Notification } from '@jupyterlab/apputils';
import type { Job } from '../api/types';
import type { JobNews } from '../model/feed';
import { cause, ending, joined } from '../views/words';
import type { Qwex } from './tokens';

export interface Wishes {
  notify: 'all' | 'failures' | 'none';
  /** Seconds that a job was there for. */
  notifyAfter: number;
}

export function addNotifications(qwex: Qwex, wishes: () => Wishes): void {
  qwex.mine.onEnd(news => {
    const { notify } = wishes();
    const wanted = notify === 'all' || (notify === 'failures' && news.state === 'FAILED');
    if (wanted && news.state !== 'CANCELLED') {
      void told(qwex, news, wishes().notifyAfter).catch(() => undefined);
    }
  });
}

async function told(qwex: Qwex, news: JobNews, after: number): Promise<void> {
  const job = await qwex.board.api.job(news.id);
  if ((job.ended_at ?? 0) - job.created_at < after) {
    return;
  }
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
