/** A list of any length: only the rows in sight are there. The next page comes when its end comes near. */
import { useVirtualizer } from '@tanstack/react-virtual';
import React, { useEffect, useMemo, useRef } from 'react';
import type { Job } from '../api/types';
import type { JobList } from '../model/jobs';
import { useActions } from './actions';
import { useObserved, useShown, useWords, type Words } from './host';
import { Row } from './row';

const ROW = 44;
const HEAD = 24;
/** The next page is asked for when so few rows are left below. */
const NEAR = 15;

type Item = { kind: 'job'; job: Job } | { kind: 'day'; day: string };

export function Jobs(props: { list: JobList; label: string; empty: React.ReactNode; byDay?: boolean }): JSX.Element {
  const { label, empty, byDay = false } = props;
  const list = useObserved(props.list);
  useShown(list);
  if (!list.jobs.length) {
    return <div className="qwex-Empty">{list.total === null ? null : empty}</div>;
  }
  return <Rows list={list} label={label} byDay={byDay} />;
}

function Rows({ list, label, byDay }: { list: JobList; label: string; byDay: boolean }): JSX.Element {
  const trans = useWords();
  const scroller = useRef<HTMLDivElement>(null);
  const { jobs } = list;
  const items = useMemo(() => (byDay ? withDays(jobs, trans) : jobs.map(asItem)), [byDay, jobs, trans]);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: at => (items[at]?.kind === 'day' ? HEAD : ROW),
    getItemKey: at => key(items[at]!),
    overscan: 6
  });
  const shown = rows.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  useEffect(() => {
    if (last >= items.length - NEAR) {
      void list.loadMore();
    }
  }, [last, items.length, list, list.version()]);
  const onKeyDown = useArrows(scroller, items, at => rows.scrollToIndex(at));
  return (
    <div className="qwex-Rows" ref={scroller} onKeyDown={onKeyDown}>
      <div role="list" aria-label={label} style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {shown.map(({ index, start, key }) => (
          <div
            key={key}
            ref={rows.measureElement}
            data-index={index}
            role="listitem"
            aria-setsize={list.more ? -1 : items.length}
            aria-posinset={index + 1}
            className="qwex-Rows-item"
            style={{ transform: `translateY(${start}px)` }}
          >
            <ItemView item={items[index]!} />
          </div>
        ))}
      </div>
    </div>
  );
}

function ItemView({ item }: { item: Item }): JSX.Element {
  return item.kind === 'day' ? <h4 className="qwex-Day">{item.day}</h4> : <Row job={item.job} />;
}

/** Up, down, first and last go from row to row, also to those that are not there yet; Delete stops a job. */
function useArrows(
  scroller: React.RefObject<HTMLElement>,
  items: readonly Item[],
  reveal: (index: number) => void
): (event: React.KeyboardEvent) => void {
  const actions = useActions();
  return event => {
    const here = items.findIndex(item => item.kind === 'job' && item.job.id === focusedJob());
    const item = items[here];
    if (event.key === 'Delete' && item?.kind === 'job') {
      event.preventDefault();
      void actions.stop(item.job);
      return;
    }
    const there = target(event.key, here, items);
    const next = items[there];
    if (next?.kind === 'job') {
      event.preventDefault();
      reveal(there);
      // A row out of sight is there only after the list was drawn again.
      requestAnimationFrame(() => focusJob(scroller.current, next.job.id));
    }
  };
}

function target(pressed: string, here: number, items: readonly Item[]): number {
  const step = pressed === 'ArrowUp' || pressed === 'End' ? -1 : 1;
  let at = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 }[pressed] ?? -1;
  while (items[at]?.kind === 'day') {
    at += step;
  }
  return at;
}

function focusedJob(): string | undefined {
  return (document.activeElement?.closest('.qwex-Row')?.querySelector('[data-job]') as HTMLElement | null)?.dataset.job;
}

function focusJob(scroller: HTMLElement | null, id: string): void {
  scroller?.querySelector<HTMLElement>(`[data-job="${CSS.escape(id)}"]`)?.focus();
}

function key(item: Item): string {
  return item.kind === 'day' ? `day ${item.day}` : item.job.id;
}

function asItem(job: Job): Item {
  return { kind: 'job', job };
}

/** The jobs with a heading before the first that ended on each day. */
function withDays(jobs: readonly Job[], trans: Words): Item[] {
  const items: Item[] = [];
  let before = '';
  for (const job of jobs) {
    const day = dayOf(new Date((job.ended_at ?? job.created_at) * 1000), trans);
    if (day !== before) {
      items.push({ kind: 'day', day });
      before = day;
    }
    items.push(asItem(job));
  }
  return items;
}

function dayOf(date: Date, trans: Words): string {
  const today = new Date();
  const yesterday = new Date(today.getTime() - 86_400_000);
  if (date.toDateString() === today.toDateString()) {
    return trans.__('Today');
  }
  return date.toDateString() === yesterday.toDateString() ? trans.__('Yesterday') : date.toLocaleDateString();
}
