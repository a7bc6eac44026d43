/** The parts of the sidebar; the application puts them into its own frame. */
import React, { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { ENDED, RUNNING, WAITING, type Counts, type JobState, type MachineState } from '../api/types';
import type { JobNews, MachineNews } from '../model/feed';
import { Filter } from './filter';
import { useObserved, useQwex, useShown, useWords, type Words } from './host';
import { Jobs } from './list';
import { Problem } from './problem';
import { machineWord, stateWord } from './words';

const SECTIONS = { running: RUNNING, waiting: WAITING, finished: ENDED } as const;

export type Section = keyof typeof SECTIONS;

/** Above the sections: the search, or why nothing can be shown. */
export function Head(): JSX.Element {
  const { board } = useQwex();
  const trans = useWords();
  useObserved(board);
  useShown(board);
  // Whether there is a section of them at all is known before it is looked at.
  useShown(board.machines);
  return (
    <>
      {board.problem ? (
        <Problem problem={board.problem} retry={() => board.again()} />
      ) : (
        <Filter label={trans.__('Jobs in the sidebar')} />
      )}
      <Told />
    </>
  );
}

/** One section of jobs. */
export function JobSection({ section }: { section: Section }): JSX.Element {
  const { board } = useQwex();
  const label = useLabel(section);
  return (
    <Jobs list={board[section]} label={label} byDay={section === 'finished'} empty={<Empty section={section} />} />
  );
}

/** How many jobs a section has. */
export function Badge({ section }: { section: Section | 'queues' | 'machines' }): JSX.Element | null {
  const { board } = useQwex();
  const trans = useWords();
  const [subscribe, size] = {
    queues: [board.queues.subscribe, () => board.queues.queues?.length] as const,
    machines: [board.machines.subscribe, () => board.machines.machines.length] as const,
    jobs: [board.subscribe, () => counted(board.counts, SECTIONS[section as Section])] as const
  }[section === 'queues' || section === 'machines' ? section : 'jobs'];
  const count = useSyncExternalStore(subscribe, size);
  return count ? (
    <span className="qwex-Badge" aria-label={trans._n('%1 entry', '%1 entries', count)}>
      {count}
    </span>
  ) : null;
}

function useLabel(section: Section): string {
  const trans = useWords();
  return { running: trans.__('Running jobs'), waiting: trans.__('Waiting jobs'), finished: trans.__('Finished jobs') }[
    section
  ];
}

function Empty({ section }: { section: Section }): JSX.Element {
  const { board, host } = useQwex();
  const { trans } = host;
  const { text, states, mine } = board.search;
  if (text.trim() || states.size || mine) {
    return <p>{trans.__('Nothing here fits the search.')}</p>;
  }
  if (section === 'waiting') {
    return <p>{trans.__('Nothing waits. A job that does says here for what, and its place in the queue.')}</p>;
  }
  if (section === 'finished') {
    return <p>{trans.__('Nothing has ended yet.')}</p>;
  }
  return (
    <>
      <p>{trans.__('No job is running. Once in a notebook, in a cell of its own:')}</p>
      <pre>%load_ext qwex_magics</pre>
      <p>{trans.__('From then on a cell becomes a job with this line above it:')}</p>
      <pre>%%qwex --cpu 1</pre>
      {host.runCell && (
        <button type="button" className="qwex-Button" onClick={host.runCell}>
          {trans.__('Run the selected cell as a job')}
        </button>
      )}
    </>
  );
}

/** Says changes of state aloud, for those who don't see them. */
function Told(): JSX.Element {
  const { board } = useQwex();
  const trans = useWords();
  const [said, say] = useState('');
  const names = useRef(new Map<string, JobState | MachineState | null>());
  useEffect(
    () =>
      board.feed.subscribe(news => {
        const told = news.kind === 'job' || news.kind === 'machine' ? news : null;
        if (told && told.user === board.me?.user && names.current.get(told.id) !== told.state) {
          names.current.set(told.id, told.state);
          say(`${told.name}: ${word(told, trans)}`);
        }
      }),
    [board, trans]
  );
  return (
    <div className="qwex-Told" aria-live="polite" role="status">
      {said}
    </div>
  );
}

function word(news: JobNews | MachineNews, trans: Words): string {
  if (news.kind === 'job') {
    return stateWord(news.state, trans);
  }
  return news.state ? machineWord(news.state, trans) : trans.__('deleted');
}

/** How many jobs are in these states; null before it is known. */
function counted(counts: Counts | null, states: readonly JobState[]): number | null {
  return counts && states.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
}
