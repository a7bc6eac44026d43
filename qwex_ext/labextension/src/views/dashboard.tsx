/** All jobs in a table that can be sorted: a tab of its own. */
import { useVirtualizer } from '@tanstack/react-virtual';
import React, { useEffect, useMemo, useRef, useState } from 'react';
import { ended, type Job } from '../api/types';
import { plain } from '../model/log';
import type { JobList } from '../model/jobs';
import { useActions } from './actions';
import { Filter } from './filter';
import { useNow, useObserved, useQwex, useShown, type Words } from './host';
import { IconButton, StateIcon } from './icons';
import { Problem } from './problem';
import { ago, asks, cause, moment, ran, span, stateWord } from './words';

const ROW = 28;
const NEAR = 20;

type Value = string | number;

interface Column {
  key: string;
  name: string;
  value: (job: Job, now: number) => Value;
  show: (job: Job, now: number) => React.ReactNode;
}

export function Dashboard({ list }: { list: JobList }): JSX.Element {
  const { board, host } = useQwex();
  useObserved(board);
  useShown(board);
  useObserved(list);
  useShown(list);
  const total = list.total ?? 0;
  return (
    <div className="qwex-Dashboard">
      {board.problem ? (
        <Problem problem={board.problem} retry={() => board.again()} />
      ) : (
        <Filter label={host.trans.__('Jobs in the table')} />
      )}
      <JobTable list={list} />
      <p className="qwex-Note" role="status">
        {host.trans._n('%1 job', '%1 jobs', total)}
      </p>
    </div>
  );
}

function JobTable({ list }: { list: JobList }): JSX.Element {
  const { trans } = useQwex().host;
  const now = useNow(1000);
  const columns = useMemo(() => columnsOf(trans), [trans]);
  const [order, setOrder] = useState({ key: 'submitted', down: true });
  const jobs = useMemo(() => sorted(list.jobs, columns, order), [list.jobs, columns, order]);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: jobs.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 12
  });
  const shown = rows.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  // What is sorted by anything but the time of submission is only right when all of it is here.
  const needed = order.key !== 'submitted' || !order.down || last >= jobs.length - NEAR;
  useEffect(() => {
    if (needed) {
      void list.loadMore();
    }
  }, [needed, jobs.length, list, list.version()]);
  return (
    <div
      className="qwex-Dashboard-table"
      role="table"
      aria-label={trans.__('Jobs')}
      aria-rowcount={list.total ?? -1}
      ref={scroller}
    >
      <div role="rowgroup" className="qwex-Dashboard-head">
        <div role="row" className="qwex-Dashboard-row">
          {columns.map(({ key, name }) => (
            <div
              key={key}
              role="columnheader"
              aria-sort={key !== order.key ? 'none' : order.down ? 'descending' : 'ascending'}
            >
              <button type="button" onClick={() => setOrder({ key, down: key === order.key ? !order.down : true })}>
                {name}
                {key === order.key ? (order.down ? ' ▾' : ' ▴') : ''}
              </button>
            </div>
          ))}
          <div role="columnheader">
            <span className="qwex-Told">{trans.__('Actions')}</span>
          </div>
        </div>
      </div>
      <div role="rowgroup" style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {shown.map(({ index, start }) => (
          <JobRow key={jobs[index]!.id} job={jobs[index]!} columns={columns} now={now} top={start} index={index} />
        ))}
      </div>
    </div>
  );
}

function JobRow(props: { job: Job; columns: Column[]; now: number; top: number; index: number }): JSX.Element {
  const { job, columns, now, top, index } = props;
  const { trans } = useQwex().host;
  const actions = useActions();
  return (
    <div
      role="row"
      aria-rowindex={index + 2}
      className="qwex-Dashboard-row qwex-mod-job"
      style={{ transform: `translateY(${top}px)` }}
    >
      {columns.map(({ key, show }) => (
        <div key={key} role="cell">
          {show(job, now)}
        </div>
      ))}
      <div role="cell">
        {ended(job) ? (
          <IconButton
            icon="again"
            label={trans.__('Submit %1 again', job.name)}
            onClick={() => void actions.resubmit(job)}
          />
        ) : (
          <IconButton icon="stop" label={trans.__('Stop %1', job.name)} onClick={() => void actions.stop(job)} />
        )}
      </div>
    </div>
  );
}

function columnsOf(trans: Words): Column[] {
  const text = (key: string, name: string, value: (job: Job) => string): Column => ({ key, name, value, show: value });
  const waited = (job: Job, now: number): number => (job.started_at ?? job.ended_at ?? now / 1000) - job.created_at;
  return [
    {
      key: 'state',
      name: trans.__('State'),
      value: job => stateWord(job.state, trans),
      show: job => (
        <>
          <StateIcon state={job.state} /> {stateWord(job.state, trans)}
        </>
      )
    },
    { key: 'name', name: trans.__('Name'), value: job => job.name, show: job => <OpenJob job={job} /> },
    text('user', trans.__('User'), job => job.user),
    text('queue', trans.__('Queue'), job => job.queue ?? ''),
    text('asks', trans.__('Asks for'), job => asks(job, trans)),
    {
      key: 'submitted',
      name: trans.__('Submitted'),
      value: job => job.created_at,
      show: (job, now) => <time title={moment(job.created_at)}>{ago(job.created_at, now, trans)}</time>
    },
    { key: 'waited', name: trans.__('Waited'), value: waited, show: (job, now) => span(waited(job, now)) },
    {
      key: 'ran',
      name: trans.__('Ran'),
      value: (job, now) => ran(job, now) ?? -1,
      show: (job, now) => (job.started_at === null ? '' : span(ran(job, now) ?? 0))
    },
    text('told', trans.__('Message'), job => plain(cause(job)))
  ];
}

function OpenJob({ job }: { job: Job }): JSX.Element {
  const { host } = useQwex();
  return (
    <button type="button" className="qwex-Link" title={job.id} onClick={() => host.openJob(job)}>
      {job.name}
    </button>
  );
}

function sorted(jobs: readonly Job[], columns: Column[], order: { key: string; down: boolean }): readonly Job[] {
  const column = columns.find(each => each.key === order.key)!;
  const now = Date.now();
  const sign = order.down ? -1 : 1;
  return [...jobs].sort((a, b) => sign * compared(column.value(a, now), column.value(b, now)));
}

function compared(a: Value, b: Value): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}
