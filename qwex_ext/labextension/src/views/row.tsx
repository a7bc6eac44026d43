/** One job in a list: two lines, and what can be done with it under the pointer or the focus. */
import React, { useEffect, useSyncExternalStore } from 'react';
import { ended, type Glance, type Job } from '../api/types';
import { plain } from '../model/log';
import { useActions } from './actions';
import { useNow, useQwex, type Words } from './host';
import { IconButton, StateIcon } from './icons';
import { links } from './links';
import { age, asks, cause, ending, joined, moment, stateWord, waiting } from './words';

/** What is known of a job beside its record, while its row is on screen. */
export function useGlance(job: Job, seen = true): Glance | undefined {
  const { glances } = useQwex().board;
  const live = seen && !ended(job);
  useEffect(() => (live ? glances.want(job.id) : undefined), [glances, job.id, live, job.state]);
  return useSyncExternalStore(glances.subscribe, () => glances.get(job.id));
}

export const Row = React.memo(function Row({ job }: { job: Job }): JSX.Element {
  const { board, host } = useQwex();
  const { trans } = host;
  const now = useNow(ended(job) ? 30_000 : 1000);
  const glance = useGlance(job);
  const stopping = useSyncExternalStore(board.subscribe, () => board.stopping.has(job.id));
  const told = stopping ? trans.__('is being stopped') : tail(job, glance, trans);
  return (
    <div className="qwex-Row" draggable onDragStart={event => host.drag(job, event)}>
      <button
        type="button"
        className="qwex-Row-open"
        data-job={job.id}
        title={joined(job.id, trans.__('submitted %1', moment(job.created_at)), job.user)}
        onClick={() => host.openJob(job)}
      >
        <span className="qwex-Row-first">
          <StateIcon state={job.state} />
          <span className="qwex-Row-name">{job.name}</span>
          <span className="qwex-Row-age">{age(job, now, trans)}</span>
        </span>
        <span className="qwex-Row-second">
          <span className="qwex-Row-state">{stateWord(job.state, trans)}</span>
          <span className="qwex-Row-asks">
            {joined(asks(job, trans), job.queue ?? '', ended(job) ? ending(job, now, trans) : '')}
          </span>
        </span>
        {told && <span className="qwex-Row-told">{told}</span>}
        {glance?.progress != null && <Progress value={glance.progress} />}
      </button>
      <RowActions job={job} />
    </div>
  );
});

function RowActions({ job }: { job: Job }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  const actions = useActions();
  return (
    <span className="qwex-Row-actions">
      <IconButton icon="logs" label={trans.__('Logs of %1', job.name)} onClick={() => host.openJob(job, 'logs')} />
      {!ended(job) && (
        <IconButton icon="stop" label={trans.__('Stop %1', job.name)} onClick={() => void actions.stop(job)} />
      )}
      {ended(job) && (
        <IconButton
          icon="again"
          label={trans.__('Submit %1 again', job.name)}
          onClick={() => void actions.resubmit(job)}
        />
      )}
      {host.openCell && job.notebook?.path && (
        <IconButton
          icon="cell"
          label={
            job.kind === 'notebook'
              ? trans.__('Open the notebook %1', job.name)
              : trans.__('Show the notebook cell of %1', job.name)
          }
          onClick={() => host.openCell?.(job)}
        />
      )}
      {links(job).map(([name, url]) => (
        <IconButton
          key={name}
          icon="outside"
          label={trans.__('Open %1 in %2', job.name, name)}
          onClick={() => window.open(url, '_blank', 'noopener')}
        />
      ))}
      <IconButton icon="copy" label={trans.__('Copy the id of %1', job.name)} onClick={() => host.copy(job.id)} />
    </span>
  );
}

/** How far a job is, from 0 to 1. */
export function Progress({ value }: { value: number }): JSX.Element {
  const percent = Math.round(Math.min(Math.max(value, 0), 1) * 100);
  return (
    <span className="qwex-Progress" role="progressbar" aria-valuenow={percent} aria-valuemin={0} aria-valuemax={100}>
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}

/** The last line of a row: what it printed, what it waits for, or what it failed of. */
function tail(job: Job, glance: Glance | undefined, trans: Words): string {
  if (ended(job)) {
    return job.state === 'FAILED' ? plain(cause(job)) : '';
  }
  if (job.state === 'RUNNING') {
    return glance?.line ?? '';
  }
  return glance?.why ? waiting(glance.why, trans) : cause(job);
}
