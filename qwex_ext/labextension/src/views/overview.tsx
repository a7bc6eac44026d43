/** A job at a glance: what it waits for or failed of, its story, and the facts. */
import React, { useEffect, useState } from 'react';
import { ended, type Job, type Spec } from '../api/types';
import type { Followed } from '../model/followed';
import { plain } from '../model/log';
import { useQwex, type Words } from './host';
import { MetricTable, useMetrics } from './metrics';
import { Progress, useGlance } from './row';
import { Story } from './story';
import { WhyView } from './why';
import { asks, bytes, cause, moment, span } from './words';

export function Overview({ followed, job }: { followed: Followed; job: Job }): JSX.Element {
  const { trans } = useQwex().host;
  const glance = useGlance(job);
  const { metrics } = useMetrics(job, true);
  const why = ended(job) || job.state === 'RUNNING' ? null : (followed.why ?? glance?.why);
  return (
    <div className="qwex-Overview">
      {why && <WhyView why={why} />}
      {job.state === 'FAILED' && <p className="qwex-Cause">{plain(cause(job))}</p>}
      {glance?.progress != null && <Progress value={glance.progress} />}
      {metrics.length > 0 && (
        <>
          <h3>{trans.__('Metrics')}</h3>
          <MetricTable metrics={metrics} />
        </>
      )}
      <h3>{trans.__('Story')}</h3>
      <Story steps={followed.steps} job={job} />
      <h3>{trans.__('Facts')}</h3>
      <dl className="qwex-Facts">
        {[...given(useSpec(job.id), trans), ...facts(job, followed.host, trans)].map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
    </div>
  );
}

/** The job's description; null before it is there. */
function useSpec(id: string): Spec | null {
  const { board } = useQwex();
  const [spec, setSpec] = useState<Spec | null>(null);
  useEffect(() => {
    let here = true;
    board.api.spec(id).then(
      found => here && setSpec(found),
      () => undefined
    );
    return () => {
      here = false;
    };
  }, [board, id]);
  return spec;
}

/** What the job was given: two runs of the same code differ in nothing else. */
function given(spec: Spec | null, trans: Words): [string, string][] {
  const { args = [], parameters = {}, source } = spec ?? {};
  const words = args.map(word => (/^[\w./:=@%+-]+$/.test(word) ? word : JSON.stringify(word))).join(' ');
  const set = Object.entries(parameters).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return [
    ...(words
      ? [[source?.kind === 'command' ? trans.__('Command') : trans.__('Arguments'), words] as [string, string]]
      : []),
    ...(set.length ? [[trans.__('Parameters'), set.join(', ')] as [string, string]] : [])
  ];
}

/** Only what is known. */
function facts(job: Job, host: string, trans: Words): [string, string][] {
  const tags = Object.entries(job.tags ?? {}).map(([name, value]) => (value ? `${name}=${value}` : name));
  const all: [string, string | null | undefined][] = [
    [trans.__('User'), job.user],
    [trans.__('Backend'), job.backend],
    [trans.__('Queue'), job.queue],
    [trans.__('Asks for'), asks(job, trans)],
    [trans.__('Priority'), job.priority ? String(job.priority) : ''],
    [trans.__('Runs on'), host],
    [trans.__('Attempt'), job.attempt > 1 ? String(job.attempt) : ''],
    [trans.__('Submitted'), moment(job.created_at)],
    [trans.__('Waited'), job.started_at === null ? '' : span(job.started_at - job.created_at)],
    [trans.__('Exit code'), job.exit_code === null ? '' : String(job.exit_code)],
    [trans.__('Most memory used'), job.peak_memory === null ? '' : bytes(job.peak_memory)],
    [trans.__('CPU time'), job.cpu_time === null ? '' : span(job.cpu_time)],
    [trans.__('Notebook'), job.notebook?.path],
    [trans.__('Array'), job.group],
    [trans.__('Tags'), tags.join(', ')],
    [trans.__('Id at the backend'), job.native_id]
  ];
  return all.filter((fact): fact is [string, string] => Boolean(fact[1]));
}
