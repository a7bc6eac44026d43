/** What a job's code logs over time: the last value of each metric, and its course. */
import React, { useEffect } from 'react';
import { ended, type Job, type Metric } from '../api/types';
import type { Course } from '../model/metrics';
import { useObserved, useQwex, useWords } from './host';
import { Sparkline } from './sparkline';
import { figure, metricLabel } from './words';

/** So many have room on a card. */
const FEW = 3;
/** Of numbers that change all the time more cannot be read. */
const DIGITS = 4;

/** The job's metrics, kept true while the view is there and `seen`. */
export function useMetrics(job: Job, seen: boolean): Course {
  const course = useQwex().board.metrics.of(job.id);
  const { user, state } = job;
  const there = seen && (state === 'RUNNING' || ended(job));
  useEffect(() => (there ? course.show({ user, state }) : undefined), [course, there, user, state]);
  return useObserved(course);
}

/** Some of them in a line; `onMore` shows all. */
export function MetricLine(props: { metrics: readonly Metric[]; onMore: () => void }): JSX.Element {
  const { metrics, onMore } = props;
  const trans = useWords();
  const more = metrics.length - FEW;
  return (
    <div className="qwex-Card-metrics">
      {metrics.slice(0, FEW).map(metric => (
        <span key={metric.name} className="qwex-Metric" role="img" aria-label={metricLabel(metric, trans, DIGITS)}>
          <span className="qwex-Metric-name">{metric.name}</span>
          <span className="qwex-Metric-value">{figure(metric.value, trans, DIGITS)}</span>
          <Sparkline values={metric.history ?? []} width={64} height={16} />
        </span>
      ))}
      {more > 0 && (
        <button type="button" className="qwex-Labelled" onClick={onMore}>
          {trans.__('+%1 more', more)}
        </button>
      )}
    </div>
  );
}

/** All of them. */
export function MetricTable({ metrics }: { metrics: readonly Metric[] }): JSX.Element {
  const trans = useWords();
  return (
    <table className="qwex-Table qwex-Metrics" aria-label={trans.__('Metrics')}>
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Value')}</th>
          <th scope="col">{trans.__('Step')}</th>
          <th scope="col">{trans.__('Course')}</th>
        </tr>
      </thead>
      <tbody>
        {metrics.map(metric => (
          <tr key={metric.name}>
            <th scope="row">{metric.name}</th>
            <td>{figure(metric.value, trans)}</td>
            <td>{metric.step}</td>
            <td>
              <span role="img" aria-label={metricLabel(metric, trans)}>
                <Sparkline values={metric.history ?? []} width={240} height={36} />
              </span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
