/** The queues: what is used of what they may have, and who waits. */
import React from 'react';
import type { Queue, QuotaLine } from '../api/types';
import { useObserved, useQwex, useShown, useWords } from './host';
import { Icon } from './icons';
import { amount, joined } from './words';

export function Queues(): JSX.Element {
  const { board } = useQwex();
  const trans = useWords();
  const { queues, away, problem } = useObserved(board.queues);
  useShown(board.queues);
  if (!queues) {
    return <div className="qwex-Empty">{problem && !board.problem ? problem.message : null}</div>;
  }
  return (
    <div className="qwex-Queues">
      {!queues.length && <div className="qwex-Empty">{trans.__('No backend here has queues to show.')}</div>}
      <ul aria-label={trans.__('Queues')}>
        {queues.map(queue => (
          <QueueView key={`${queue.backend}/${queue.name}`} queue={queue} />
        ))}
      </ul>
      {Object.entries(away).map(([backend, why]) => (
        <p key={backend} className="qwex-Note">
          <Icon name="failed" /> {trans.__('%1 does not tell its queues: %2', backend, why)}
        </p>
      ))}
    </div>
  );
}

function QueueView({ queue }: { queue: Queue }): JSX.Element {
  const trans = useWords();
  const running = queue.running ? trans.__('%1 running', queue.running) : '';
  const waiting = queue.waiting ? trans.__('%1 waiting', queue.waiting) : '';
  return (
    <li className="qwex-Queue">
      <div className="qwex-Queue-head">
        <span className="qwex-Queue-name" title={joined(queue.backend, queue.description)}>
          {queue.name}
        </span>
        {queue.default && queue.name !== 'default' && <span className="qwex-Tag">{trans.__('default')}</span>}
        {queue.stopped && <span className="qwex-Tag qwex-mod-warn">{trans.__('stopped')}</span>}
        <span className="qwex-Queue-counts">{joined(running, waiting) || trans.__('idle')}</span>
      </div>
      {queue.quota.map(line => (
        <Usage key={line.resource} line={line} />
      ))}
    </li>
  );
}

/** A bar: used, and beyond the queue's own share what it has borrowed. */
export function Usage({ line }: { line: QuotaLine }): JSX.Element {
  const trans = useWords();
  const nominal = line.nominal ?? 0;
  const whole = Math.max(nominal, line.used, 1e-9);
  const own = Math.min(line.used, line.nominal ?? line.used);
  const borrowed = Math.max(line.used - own, 0);
  const said =
    line.nominal === null
      ? trans.__('%1: %2 used', line.resource, amount(line, line.used))
      : trans.__('%1: %2 of %3 used', line.resource, amount(line, line.used), amount(line, nominal));
  const more = borrowed ? trans.__('%1 borrowed', amount(line, borrowed)) : '';
  return (
    <div className="qwex-Usage" title={joined(said, more)}>
      <span className="qwex-Usage-name">{short(line.resource)}</span>
      <span className="qwex-Usage-bar" role="img" aria-label={joined(said, more)}>
        <span className={own >= nominal ? 'qwex-mod-full' : ''} style={{ width: `${(100 * own) / whole}%` }} />
        {borrowed > 0 && <span className="qwex-mod-borrowed" style={{ width: `${(100 * borrowed) / whole}%` }} />}
      </span>
      <span className="qwex-Usage-amount">
        {amount(line, line.used)}
        {line.nominal === null ? '' : `/${amount(line, nominal)}`}
      </span>
    </div>
  );
}

/** `nvidia.com/gpu` is known as gpu. */
function short(resource: string): string {
  return resource.split('/').pop() ?? resource;
}
