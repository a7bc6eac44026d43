/** Jobs, waits and amounts in words, the same ones as on the command line (qwex/wording.py). */
import type { Job, JobState, Machine, MachineEvent, MachineState, Metric, QuotaLine, Why } from '../api/types';
import { ended } from '../api/types';
import type { Words } from './host';

export function stateWord(state: JobState, trans: Words): string {
  switch (state) {
    case 'PENDING':
      return trans.__('Pending');
    case 'QUEUED':
      return trans.__('Queued');
    case 'ADMITTED':
      return trans.__('Starting');
    case 'RUNNING':
      return trans.__('Running');
    case 'SUCCEEDED':
      return trans.__('Succeeded');
    case 'FAILED':
      return trans.__('Failed');
    case 'CANCELLED':
      return trans.__('Cancelled');
  }
}

export function machineWord(state: MachineState, trans: Words): string {
  switch (state) {
    case 'PENDING':
      return trans.__('Pending');
    case 'QUEUED':
      return trans.__('Queued');
    case 'STARTING':
      return trans.__('Starting');
    case 'RUNNING':
      return trans.__('Running');
    case 'STOPPING':
      return trans.__('Stopping');
    case 'STOPPED':
      return trans.__('Stopped');
    case 'FAILED':
      return trans.__('Failed');
  }
}

/** A duration: `340ms`, `1.8s`, `42s`, `3m12s`, `1h04m`, `2d03h`. */
export function span(seconds: number): string {
  const given = Math.max(seconds, 0);
  if (given < 0.9995) {
    return `${Math.round(given * 1000)}ms`;
  }
  if (given < 9.95) {
    return `${given.toFixed(1).replace(/\.0$/, '')}s`;
  }
  const whole = Math.round(given);
  const [days, hours, minutes] = [
    Math.floor(whole / 86400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60
  ];
  if (days) {
    return `${days}d${two(hours)}h`;
  }
  if (hours) {
    return `${hours}h${two(minutes)}m`;
  }
  return minutes ? `${minutes}m${two(whole % 60)}s` : `${whole}s`;
}

/** A duration that is only looked at in passing: `42s`, `3m`, `2h`, `5d`. */
function roughly(seconds: number): string {
  const given = Math.max(seconds, 0);
  const [size, unit] = given < 60 ? [1, 's'] : given < 3600 ? [60, 'm'] : given < 86_400 ? [3600, 'h'] : [86_400, 'd'];
  return `${Math.floor(given / (size as number))}${unit}`;
}

/** Seconds that the present attempt ran, or has been running; null when its start is not known. */
export function ran(job: Job, now: number): number | null {
  if (job.started_at === null) {
    return null;
  }
  const until = job.ended_at ?? now / 1000;
  // Two clocks may differ a little: nothing has run for longer than it has been there.
  return Math.max(until - Math.max(job.started_at, job.created_at), 0);
}

/** What a row says at its right end: for how long it runs or waits, or how long ago it ended. */
export function age(job: Job, now: number, trans: Words): string {
  return job.ended_at === null
    ? roughly(now / 1000 - (job.started_at ?? job.created_at))
    : ago(job.ended_at, now, trans);
}

/** `just now`, `3m ago`. */
export function ago(at: number, now: number, trans: Words): string {
  const seconds = now / 1000 - at;
  return seconds < 1 ? trans.__('just now') : trans.__('%1 ago', roughly(seconds));
}

/** How it ended: `finished in 3m12s`. */
export function ending(job: Job, now: number, trans: Words): string {
  const seconds = ran(job, now);
  const took = seconds === null ? '' : span(seconds);
  if (job.state === 'SUCCEEDED') {
    return took ? trans.__('finished in %1', took) : trans.__('finished');
  }
  if (job.state === 'FAILED') {
    return took ? trans.__('failed after %1', took) : trans.__('failed');
  }
  return took ? trans.__('cancelled after %1', took) : trans.__('cancelled before it started');
}

/** The reason and its sentence; an exception's sentence names itself. */
export function cause(job: Job): string {
  const reason = job.reason === 'Exception' && job.message ? '' : job.reason;
  return [reason, job.message].filter(Boolean).join(': ');
}

/** `3rd in gpu-team, 11th in the cluster queue · waits for 1 GPU: 8 of 8 in use`. */
export function waiting(why: Why, trans: Words): string {
  const places = [];
  if (why.position) {
    places.push(
      why.position_in
        ? trans.__('%1 in %2', ordinal(why.position), why.position_in)
        : trans.__('%1 in the queue', ordinal(why.position))
    );
  }
  if (why.cluster_position) {
    places.push(trans.__('%1 in the cluster queue', ordinal(why.cluster_position)));
  }
  // Some backends say the position in their sentence already.
  const told = places.filter(place => !why.summary.includes(place)).join(', ');
  return joined(told, why.summary);
}

/** When it is likely to start, and how one knows; empty without a basis. */
export function estimate(why: Why, trans: Words): string {
  if (!why.eta) {
    return '';
  }
  const [low, high] = why.eta;
  const [size, unit] = high < 90 ? [1, trans.__('s')] : high < 5400 ? [60, trans.__('min')] : [3600, trans.__('h')];
  const times = [low, high].map(seconds => Math.round(seconds / (size as number)));
  const when =
    times[1] === 0 ? trans.__('starts in a moment') : trans.__('starts in %1–%2 %3', times[0], times[1], unit);
  return why.basis ? `${when} (${trans.__('from %1', why.basis)})` : when;
}

/** What it asks for, as far as that is worth a row: `2 GPUs`, `A100:2`, `4 CPUs`. */
export function asks(asking: Pick<Job, 'resources'> | Pick<Machine, 'resources'>, trans: Words): string {
  const { gpu, cpu, memory } = asking.resources ?? {};
  const parts = [];
  if (gpu) {
    parts.push(/^\d+$/.test(gpu) ? trans._n('%1 GPU', '%1 GPUs', Number(gpu)) : gpu);
  }
  if (cpu) {
    parts.push(cpu === '1' ? trans.__('1 CPU') : trans.__('%1 CPUs', cpu));
  }
  if (memory) {
    parts.push(memory);
  }
  return joined(...parts);
}

/** The last line of a machine's row: what goes on in it, how long nothing has, or why it does not run. */
export function standing(machine: Machine, now: number, trans: Words): string {
  if (machine.state !== 'RUNNING') {
    return stopped(machine, trans);
  }
  const [doing] = machine.doing;
  if (doing) {
    return doing;
  }
  if (machine.active_at === null) {
    return machine.idle ? trans.__('stops after %1 of nothing', limit(machine.idle)) : '';
  }
  const quiet = roughly(now / 1000 - machine.active_at);
  return machine.idle ? trans.__('inactive %1 of %2', quiet, limit(machine.idle)) : trans.__('inactive %1', quiet);
}

/** Why one does not run; that its user stopped it they know. */
function stopped({ reason, message, idle, max_age }: Machine, trans: Words): string {
  const policies: Record<string, string> = {
    StoppedByUser: '',
    Idle: trans.__('nobody used it for %1', limit(idle ?? 0)),
    TooOld: trans.__('it ran for %1', limit(max_age ?? 0))
  };
  return [policies[reason] ?? reason, message].filter(Boolean).join(': ');
}

/** One line for what became of a machine, without the state: `stop by ada · StoppedByUser`. */
export function became(event: MachineEvent, trans: Words): string {
  const asked = event.asked && event.user ? trans.__('%1 by %2', event.asked, event.user) : event.asked;
  return joined(asked, event.reason, event.message, event.node);
}

/** A duration that somebody chose: `2h`, `1h30m`. */
export function limit(seconds: number): string {
  return span(seconds).replace(/(\D)00\D$/, '$1');
}

/** For how long a machine has been running, roughly; empty when it does not. */
export function upFor(machine: Machine, now: number): string {
  return machine.state === 'RUNNING' && machine.started_at !== null ? roughly(now / 1000 - machine.started_at) : '';
}

/** A number in the resource's own unit. */
export function amount(line: QuotaLine, number: number): string {
  return line.resource === 'memory' ? bytes(number) : String(Math.round(number * 100) / 100);
}

export function bytes(number: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [size, unit] = [number, 0];
  while (size >= 999.5 && unit < units.length - 1) {
    [size, unit] = [size / 1000, unit + 1];
  }
  return `${size < 9.95 && unit ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

/** A number of any size, shortened; in six digits it reads as Python's `.6g`. */
export function figure(value: number | null, trans: Words, digits = 6): string {
  if (value === null) {
    return trans.__('no number');
  }
  const [short, sign, power] = /^(.+)e(.)(.+)$/.exec(value.toExponential(digits - 1))!.slice(1) as string[];
  const places = Number(`${sign}${power}`);
  // What stands before the point is never rounded away where it is written out.
  return places >= -4 && places < 6
    ? String(Number(value.toPrecision(Math.max(digits, places + 1))))
    : `${Number(short)}e${sign}${power!.padStart(2, '0')}`;
}

/** `loss: 0.0313 at step 90, from 2.3`: what its drawing shows. */
export function metricLabel({ name, value, step, history = [] }: Metric, trans: Words, digits = 6): string {
  const now = trans.__('%1: %2', name, figure(value, trans, digits));
  const there = step ? trans.__('%1 at step %2', now, step) : now;
  const first = history.find(each => each !== null);
  return history.length > 1 && first != null ? trans.__('%1, from %2', there, figure(first, trans, digits)) : there;
}

/** Twice the memory of a job that ran out of it; empty for any other. */
export function moreMemory(job: Job): string {
  const match = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|k|M|G|T)?$/.exec(job.resources?.memory ?? '');
  return job.reason === 'OutOfMemory' && match ? `${2 * Number(match[1])}${match[2] ?? ''}` : '';
}

export function ordinal(number: number): string {
  const tens = number % 100;
  const ending = tens > 10 && tens < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][number % 10] ?? 'th');
  return `${number}${ending}`;
}

/** One line for all that a job is now. */
export function headline(job: Job, why: Why | null, now: number, trans: Words): string {
  if (ended(job)) {
    return joined(ending(job, now, trans), job.state === 'FAILED' ? cause(job) : '');
  }
  if (job.state === 'RUNNING') {
    return span(ran(job, now) ?? 0);
  }
  return why ? waiting(why, trans) : cause(job);
}

export function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString();
}

/** The time of day, with the day where it is another one. */
export function clockOrDay(seconds: number): string {
  const there = new Date(seconds * 1000);
  return there.toDateString() === new Date().toDateString() ? clockTime(seconds) : moment(seconds);
}

export function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString();
}

export function joined(...parts: string[]): string {
  return parts.filter(Boolean).join(' · ');
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
