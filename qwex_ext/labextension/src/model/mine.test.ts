import { expect, test, vi } from 'vitest';
import type { Job } from '../api/types';
import { Mine } from './mine';
import type { News } from './feed';

const job = (id: string, state: string): Job => ({ id, name: id, state, user: 'ada', created_at: 1 }) as Job;

/** What is heard, what is asked for, and how it is answered. */
function stand(): { mine: Mine; hear: (news: object) => void; answers: ((jobs: Job[]) => void)[]; ends: string[] } {
  let hear: (news: News) => void = () => undefined;
  const answers: ((jobs: Job[]) => void)[] = [];
  const jobs = (): Promise<unknown> =>
    new Promise(resolve => answers.push(found => resolve({ jobs: found, total: found.length })));
  const feed = { subscribe: (listener: typeof hear) => ((hear = listener), () => undefined) };
  const mine = new Mine({ feed, me: { user: 'ada', own: true }, api: { jobs } } as never);
  const ends: string[] = [];
  mine.onEnd(news => ends.push(news.id));
  return { mine, hear: news => hear(news as News), answers, ends };
}

test('an answer that is older than the news undoes nothing', async () => {
  const { mine, hear, answers, ends } = stand();
  hear({ kind: 'connected' });
  await vi.waitFor(() => expect(answers).toHaveLength(1));
  hear({ kind: 'job', ...job('a', 'SUCCEEDED') });
  hear({ kind: 'job', ...job('b', 'RUNNING') });
  answers[0]!([job('a', 'RUNNING')]);
  await vi.waitFor(() => expect(answers).toHaveLength(2));
  hear({ kind: 'job', ...job('c', 'RUNNING') });
  answers[1]!([job('b', 'QUEUED'), job('c', 'QUEUED')]);
  await vi.waitFor(() => expect(mine.running).toBe(2));
  expect([[...mine.jobs.keys()].sort(), mine.waiting, ends]).toEqual([['b', 'c'], 0, ['a']]);
  hear({ kind: 'connected' });
  hear({ kind: 'job', ...job('b', 'FAILED') });
  await vi.waitFor(() => expect(answers).toHaveLength(3));
  answers[2]!([job('b', 'RUNNING'), job('c', 'RUNNING')]);
  await vi.waitFor(() => expect(answers).toHaveLength(4));
  answers[3]!([]);
  await vi.waitFor(() => expect([...mine.jobs.keys()]).toEqual(['c']));
  expect(ends).toEqual(['a', 'b']);
});
