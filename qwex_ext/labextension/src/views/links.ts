/** Where else a job can be seen. */
import type { Job } from '../api/types';

/** Names and addresses that trackers gave; only those of pages, since they also come from notebooks of strangers. */
export function links(job: Job): [string, string][] {
  return Object.entries(job.links ?? {}).filter(([, url]) => /^https?:\/\//i.test(url));
}
