/** Dev machines: where they stand, what they are used for, and what can be done with each. */
import React, { useEffect, useRef, useState } from 'react';
import type { Machine, MachineEvent, Why } from '../api/types';
import { useMachineActions } from './machineactions';
import { useNow, useObserved, useQwex, useShown, useWords, type Words } from './host';
import { Icon, IconButton, MachineIcon } from './icons';
import { WhyView } from './why';
import { asks, became, clockOrDay, joined, limit, machineWord, moment, standing, upFor } from './words';

/** Of what became of a machine the newest are shown; `qwex machine events` has the others. */
const SHOWN = 8;

export function Machines(): JSX.Element {
  const { board } = useQwex();
  const trans = useWords();
  const { machines, known, problem } = useObserved(board.machines);
  useShown(board.machines);
  const onKeyDown = useKeys(machines);
  if (!known) {
    return <div className="qwex-Empty">{problem && !board.problem ? problem.message : null}</div>;
  }
  return machines.length ? (
    <ul className="qwex-Machines" aria-label={trans.__('Dev machines')} onKeyDown={onKeyDown}>
      {machines.map(machine => (
        <Row key={machine.id} machine={machine} />
      ))}
    </ul>
  ) : (
    <Empty />
  );
}

function Empty(): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  return (
    <div className="qwex-Empty">
      <p>{trans.__('No machine yet: a box with ssh and a home that stays, from the same queue as the jobs.')}</p>
      {host.createMachine && (
        <button type="button" className="qwex-Button" onClick={host.createMachine}>
          {trans.__('Create a machine')}
        </button>
      )}
    </div>
  );
}

function Row({ machine }: { machine: Machine }): JSX.Element {
  const { board, host } = useQwex();
  const { trans } = host;
  const { busy, going } = useObserved(board.machines);
  const now = useNow(10_000);
  const [open, setOpen] = useState(false);
  const told = going.has(machine.id) ? trans.__('is being deleted') : standing(machine, now, trans);
  return (
    <li className="qwex-Row qwex-Machine" aria-busy={busy.has(machine.id)}>
      <button
        type="button"
        className="qwex-Row-open"
        data-machine={machine.id}
        aria-expanded={open}
        title={joined(machine.id, trans.__('made %1', moment(machine.created_at)))}
        onClick={() => setOpen(!open)}
      >
        <span className="qwex-Row-first">
          <MachineIcon state={machine.state} />
          <span className="qwex-Row-name">{machine.name}</span>
          <span className="qwex-Row-age">{upFor(machine, now)}</span>
        </span>
        <span className="qwex-Row-second">
          <span className="qwex-Row-state">{machineWord(machine.state, trans)}</span>
          <span className="qwex-Row-asks">{joined(asks(machine, trans), machine.node)}</span>
        </span>
        {told && (
          <span className={machine.state === 'FAILED' ? 'qwex-Row-told qwex-mod-wrong' : 'qwex-Row-told'} title={told}>
            {told}
          </span>
        )}
      </button>
      <RowActions machine={machine} />
      {open && <Details machine={machine} />}
    </li>
  );
}

function RowActions({ machine }: { machine: Machine }): JSX.Element {
  const { board, host } = useQwex();
  const { trans } = host;
  const actions = useMachineActions();
  const { name, state } = machine;
  const disabled = board.machines.busy.has(machine.id);
  const going = board.machines.going.has(machine.id);
  const ends = state === 'STOPPED' || state === 'FAILED';
  const notebook = state === 'RUNNING' ? host.notebookOn(machine) : null;
  return (
    <span className="qwex-Row-actions">
      {notebook && <IconButton icon="notebook" label={trans.__('New notebook on %1', name)} onClick={notebook} />}
      {state === 'RUNNING' && <CodeLink machine={machine} />}
      {!ends && (
        <IconButton
          icon="copy"
          label={trans.__('Copy the ssh line of %1', name)}
          onClick={() => void actions.copySsh(machine)}
        />
      )}
      {ends && !going && (
        <IconButton
          icon="start"
          label={trans.__('Start %1', name)}
          disabled={disabled}
          onClick={() => void actions.start(machine)}
        />
      )}
      {!ends && state !== 'STOPPING' && (
        <IconButton
          icon="stop"
          label={trans.__('Stop %1', name)}
          disabled={disabled}
          onClick={() => void actions.stop(machine)}
        />
      )}
      {!going && (
        <IconButton
          icon="remove"
          label={trans.__('Delete %1', name)}
          disabled={disabled}
          onClick={() => void actions.remove(machine)}
        />
      )}
    </span>
  );
}

/** A link, since only that opens another application from every browser. */
function CodeLink({ machine }: { machine: Machine }): JSX.Element {
  const trans = useWords();
  const actions = useMachineActions();
  const label = trans.__('Open %1 in VS Code', machine.name);
  return (
    <a
      className="qwex-IconButton"
      href={codeAddress(machine)}
      aria-label={label}
      title={label}
      onClick={() => void actions.know()}
    >
      <Icon name="code" />
    </a>
  );
}

/** Where VS Code opens the machine's home, by what ssh calls it. */
function codeAddress({ name, door }: Machine): string {
  const home = typeof door?.home === 'string' ? door.home : '';
  return `vscode://vscode-remote/ssh-remote+qwex-${name}${home}`;
}

function Details({ machine }: { machine: Machine }): JSX.Element {
  const { board } = useQwex();
  const trans = useWords();
  const actions = useMachineActions();
  const { id, state } = machine;
  const moved = [state, machine.reason, machine.run, machine.idle, machine.max_age].join();
  const events = useAsked<MachineEvent[]>(() => board.machines.events(id), moved) ?? [];
  const waits = state === 'PENDING' || state === 'QUEUED' || state === 'STARTING';
  const why = useAsked<Why | null>(
    async () => (waits ? board.machines.why(id) : null),
    `${waits} ${moved} ${machine.message}`
  );
  const here = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // What it gives back in newer browsers is none of React's business.
    here.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  return (
    <div className="qwex-Machine-more" ref={here}>
      {waits && why && <WhyView why={why} />}
      {state === 'FAILED' && machine.message && <p className="qwex-Cause">{machine.message}</p>}
      <p className="qwex-Command">
        <code>{`ssh qwex-${machine.name}`}</code>
        <IconButton icon="copy" label={trans.__('Copy the ssh line')} onClick={() => void actions.copySsh(machine)} />
      </p>
      <dl className="qwex-Facts">
        {facts(machine, trans).map(([name, value]) => (
          <React.Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </React.Fragment>
        ))}
      </dl>
      <ol className="qwex-Story" aria-label={trans.__('What has become of %1', machine.name)}>
        {events.slice(-SHOWN).map((event, at) => (
          <li key={at}>
            <MachineIcon state={event.state} />
            {machineWord(event.state, trans)}{' '}
            <span className="qwex-Story-said">
              <time title={moment(event.ts)}>{clockOrDay(event.ts)}</time> {became(event, trans)}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** What is answered, asked for anew when `key` is another one; null before the first answer. */
function useAsked<T>(ask: () => Promise<T>, key: string): T | null {
  const [answer, setAnswer] = useState<T | null>(null);
  useEffect(() => {
    let here = true;
    ask().then(
      found => here && setAnswer(found),
      () => undefined
    );
    return () => {
      here = false;
    };
  }, [key]);
  return answer;
}

function facts(machine: Machine, trans: Words): [string, string][] {
  const { idle, max_age } = machine;
  const all: [string, string][] = [
    [trans.__('Queue'), machine.queue ?? ''],
    [trans.__('Image'), machine.image],
    [trans.__('Home'), joined(machine.home, machine.home_size)],
    [trans.__('Stops'), idle ? trans.__('after %1 without use', limit(idle)) : ''],
    [trans.__('At the latest'), max_age ? trans.__('after %1', limit(max_age)) : '']
  ];
  return all.filter(([, value]) => value);
}

/** Up, down, first and last go from machine to machine; Delete deletes the one that has the focus. */
function useKeys(machines: readonly Machine[]): (event: React.KeyboardEvent<HTMLElement>) => void {
  const actions = useMachineActions();
  return event => {
    const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-machine]')];
    const here = rows.indexOf(document.activeElement as HTMLElement);
    const machine = machines[here];
    if (!machine) {
      return;
    }
    const there = { ArrowUp: here - 1, ArrowDown: here + 1, Home: 0, End: rows.length - 1 }[event.key];
    if (there !== undefined) {
      event.preventDefault();
      rows[there]?.focus();
    } else if (event.key === 'Delete') {
      event.preventDefault();
      void actions.remove(machine);
    }
  };
}
