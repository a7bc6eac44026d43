/** The states a job went through, attempt by attempt, and how long it stayed in each. */
import React from 'react';
import { ended, type Job } from '../api/types';
import type { Step } from '../model/followed';
import { useNow, useWords } from './host';
import { StateIcon } from './icons';
import { clockTime, joined, moment, span, stateWord } from './words';

export function Story({ steps, job }: { steps: readonly Step[]; job: Job }): JSX.Element {
  const trans = useWords();
  const now = useNow(ended(job) ? null : 1000);
  const attempts = new Set(steps.map(step => step.attempt)).size;
  return (
    <ol className="qwex-Story" aria-label={trans.__('What has happened')}>
      {steps.map((step, at) => {
        const until = steps[at + 1]?.at ?? (ended(job) ? null : now / 1000);
        const stayed = until === null ? '' : span(until - step.at);
        const first = attempts > 1 && steps[at - 1]?.attempt !== step.attempt;
        return (
          <li key={at} className={first ? 'qwex-mod-attempt' : ''} data-attempt={trans.__('Attempt %1', step.attempt)}>
            <StateIcon state={step.state} />
            <span className="qwex-Story-state">{stateWord(step.state, trans)}</span>
            <time title={moment(step.at)}>{clockTime(step.at)}</time>
            <span className="qwex-Story-stayed">{stayed}</span>
            <span className="qwex-Story-said">{joined(step.reason, step.message)}</span>
          </li>
        );
      })}
    </ol>
  );
}
