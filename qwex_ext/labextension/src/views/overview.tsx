/** A job at a glance: what it waits for or failed of, its story, and the facts. */
import React from 'react';
import { ended, type Job } from '../api/types';
import type { Followed } from '../model/followed';
import { plain } from '../model/log';
import { useQwex, type Words } from './host';
import { Progress, useGlance } from './row';
import { Story } from './story';
import { WhyView } from './why';
import { asks, bytes, cause, moment, span } from './words';

export function Overview({ followed, job }: { followed: Followed; job: Job }): JSX.Element {
  const { trans } = useQwex().host;
  const glance = useGlance(job);
  const why = ended(job) || job.state === 'RUNNING' ? null : (followed.why ?? glance?.why);
  return (
    <div className="qwex-Overview">
      {why && <WhyView why={why} />}
      {job.state === 'FAILED' && <p className="qwex-Cause">{plain(cause(job))}</p>}
      {glance?.progress != null && <Progress value={glance.progress} />}
      <h3>{trans.__('Story')}</h3>
      <Story steps={followed.steps} job={job} />
      <h3>{trans.__('Facts')}</h3>
      <dl className="qwex-Facts">
        {facts(job, followed.host, trans).map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
    </div>
  );
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
