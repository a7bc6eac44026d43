/** The card of a job under its cell: live from the API for as long as it can be seen, else as it was saved. */
import React, { useEffect, useMemo, useRef, useState } from 'react';
import { asApiError, type ApiError } from '../api/problem';
import { ended, type Job, type Metric, type Why } from '../api/types';
import { lacks, newest, newestOf, type Snapshot } from '../model/card';
import { Tail } from '../model/tail';
import { told, useActions } from './actions';
import { Ansi } from './ansi';
import { useNow, useObserved, useQwex, useShown, type Words } from './host';
import { Icon, IconButton, StateIcon, type IconName } from './icons';
import { links } from './links';
import { MetricLine, useMetrics } from './metrics';
import { Progress, useGlance } from './row';
import { WhyView } from './why';
import { asks, headline, joined, moreMemory, stateWord } from './words';

const TAIL_LINES = 8;

/** `onNews` is told of a job that has ended since the notebook was saved, and of what came after its end. */
export function Card(props: { kept: Snapshot; onNews: (job: Job, metrics: readonly Metric[]) => void }): JSX.Element {
  const { kept, onNews } = props;
  const [seen, setSeen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watching = new IntersectionObserver(entries => setSeen(entries.some(entry => entry.isIntersecting)));
    watching.observe(box.current!);
    return () => watching.disconnect();
  }, []);
  // What had ended when the notebook was opened is shown as it was saved.
  const [fresh] = useState(!ended(kept));
  const { live, problem } = useLive(kept, seen, fresh);
  const away = useObserved(useQwex().board).problem;
  const job = newest(kept, live);
  const course = useMetrics(job, seen && fresh && !problem);
  const metrics = newestOf(kept, course.metrics);
  useEffect(() => {
    if (ended(kept) ? lacks(kept, job.links, course.whole ? metrics : []) : ended(job)) {
      onNews(job, metrics);
    }
  });
  return (
    <div className="qwex-Card" ref={box}>
      <Contents job={job} kept={kept} seen={seen} metrics={metrics} problem={problem ?? away} />
    </div>
  );
}

/** The job as the controller has it, while it goes on and the card is in sight; of one that was followed, links later. */
function useLive(kept: Snapshot, seen: boolean, fresh: boolean): { live: Job | null; problem: ApiError | null } {
  const { board } = useQwex();
  const [live, setLive] = useState<Job | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const over = ended(newest(kept, live));
  const whole = live !== null && ended(live);
  useEffect(() => {
    if (over ? !fresh : !seen) {
      return undefined;
    }
    const take = (job: Job): void => (setLive(job), setProblem(null));
    const leave = [board.watch(kept.id, take), ...(over ? [] : [board.show()])];
    if (seen && !whole) {
      board.api.job(kept.id).then(take, (error: unknown) => setProblem(asApiError(error)));
    }
    return () => leave.forEach(each => each());
  }, [board, kept.id, seen, over, whole, fresh]);
  return { live, problem };
}

type Open = 'why' | 'logs' | null;

function Contents(props: {
  job: Job;
  kept: Snapshot;
  seen: boolean;
  metrics: readonly Metric[];
  problem: ApiError | null;
}): JSX.Element {
  const { job, kept, seen, metrics, problem } = props;
  const { board, host } = useQwex();
  const { trans } = host;
  const [open, setOpen] = useState<Open>(null);
  const over = ended(job);
  const now = useNow(seen && !over ? 1000 : null);
  const glance = useGlance(job, seen && !problem);
  const why = glance?.why ?? (job === kept ? kept.why : null);
  // The notebook itself may have said that it has ended.
  const stopping = useObserved(board).stopping.has(job.id) && !over;
  const told = stopping ? trans.__('is being stopped') : headline(job, why, now, trans);
  return (
    <>
      <div className="qwex-Card-line">
        <StateIcon state={job.state} />
        <span className="qwex-Card-state" role="status">
          {stateWord(job.state, trans)}
        </span>
        <button type="button" className="qwex-Card-name" title={job.name} onClick={() => host.openJob(job)}>
          {job.id}
        </button>
        <span className="qwex-Card-told">
          {joined(asks(job, trans), told, over ? returned(kept, trans) : '', kept.note)}
        </span>
        <CardButtons job={job} why={why} open={open} setOpen={setOpen} stopping={stopping} />
      </div>
      {metrics.length > 0 && <MetricLine metrics={metrics} onMore={() => host.openJob(job, 'overview')} />}
      {glance?.progress != null && <Progress value={glance.progress} />}
      {!over && !open && glance?.line && <div className="qwex-Card-last">{glance.line}</div>}
      {over && kept.cut && host.attach && (
        <div className="qwex-Card-last">
          <Labelled icon="down" label={trans.__('Bring output and values here')} onClick={() => host.attach?.(job)} />
        </div>
      )}
      {problem && !over && <div className="qwex-Card-problem">{unknown(problem, trans)}</div>}
      {open === 'why' && why && !over && <WhyView why={why} />}
      {open === 'logs' && <TailView job={job} />}
    </>
  );
}

function CardButtons(props: {
  job: Job;
  why: Why | null;
  open: Open;
  setOpen: (open: Open) => void;
  stopping: boolean;
}): JSX.Element {
  const { job, why, open, setOpen, stopping } = props;
  const { trans } = useQwex().host;
  const actions = useActions();
  const over = ended(job);
  const more = moreMemory(job);
  const toggle = (what: Open): void => setOpen(open === what ? null : what);
  return (
    <span className="qwex-Card-buttons">
      {!over && (
        <Labelled icon="stop" label={trans.__('Stop')} disabled={stopping} onClick={() => void actions.stop(job)} />
      )}
      {!over && why && (
        <Labelled icon="why" label={trans.__('Why?')} pressed={open === 'why'} onClick={() => toggle('why')} />
      )}
      {more && (
        <Labelled
          icon="again"
          label={trans.__('Submit again with %1', more)}
          onClick={() => void actions.resubmitLarger(job)}
        />
      )}
      <Labelled
        icon={open === 'logs' ? 'less' : 'more'}
        label={trans.__('Logs')}
        pressed={open === 'logs'}
        onClick={() => toggle('logs')}
      />
      {over && !more && (
        <IconButton icon="again" label={trans.__('Submit again')} onClick={() => void actions.resubmit(job)} />
      )}
      {links(job).map(([name, url]) => (
        <a key={name} className="qwex-Labelled" href={url} target="_blank" rel="noopener noreferrer">
          <Icon name="outside" /> {name}
        </a>
      ))}
    </span>
  );
}

function Labelled(props: {
  icon: IconName;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  disabled?: boolean;
}): JSX.Element {
  const { icon, label, onClick, pressed, disabled } = props;
  return (
    <button type="button" className="qwex-Labelled" aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} /> {label}
    </button>
  );
}

/** The last lines of its output, and the way to all of them. */
function TailView({ job }: { job: Job }): JSX.Element {
  const { board, host } = useQwex();
  const now = useRef(job);
  now.current = job;
  const tail = useMemo(() => new Tail(board, () => now.current), [board]);
  useShown(tail);
  const lines = useObserved(tail).lines(TAIL_LINES);
  return (
    <div className="qwex-Card-tail">
      <pre tabIndex={0} aria-label={host.trans.__('Last lines of %1', job.name)}>
        {lines.map((line, at) => (
          <div key={at}>
            <Ansi text={line.text} />
          </div>
        ))}
      </pre>
      <button type="button" className="qwex-Labelled" onClick={() => host.openJob(job, 'logs')}>
        {host.trans.__('All of it')}
      </button>
    </div>
  );
}

function returned(kept: Snapshot, trans: Words): string {
  return kept.bound.length ? trans.__('%1 → here', kept.bound.join(', ')) : '';
}

function unknown(problem: ApiError, trans: Words): string {
  return problem.status === 404
    ? trans.__('Shown as it was saved: the controller here does not know this job.')
    : trans.__('Shown as it was last known: %1', told(problem, trans));
}
