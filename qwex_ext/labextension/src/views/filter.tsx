/** The search field, and a button for each state that may be looked for. */
import React, { useEffect, useState } from 'react';
import { RUNNING, WAITING, type JobState } from '../api/types';
import { useObserved, useQwex, type Words } from './host';
import { Icon, StateIcon } from './icons';

/** Milliseconds after the last letter. */
const TYPED = 250;

interface Chip {
  name: string;
  states: readonly JobState[];
  sign: JobState;
}

/** `label` tells it from another one on the page. */
export function Filter({ label }: { label: string }): JSX.Element {
  const { board, host } = useQwex();
  const { search } = useObserved(board);
  const { trans } = host;
  const [text, setText] = useState(search.text);
  useEffect(() => {
    if (text === board.search.text) {
      return undefined;
    }
    const timer = setTimeout(() => board.find({ ...board.search, text }), TYPED);
    return () => clearTimeout(timer);
  }, [board, text]);
  return (
    <div className="qwex-Filter" role="search" aria-label={label}>
      <span className="qwex-Filter-field">
        <Icon name="search" />
        <input
          type="search"
          value={text}
          placeholder={trans.__('Name or id')}
          aria-label={trans.__('Find jobs by name or id')}
          onChange={event => setText(event.target.value)}
        />
      </span>
      <span className="qwex-Chips">
        {chips(trans).map(chip => (
          <ChipView key={chip.name} chip={chip} />
        ))}
        <button
          type="button"
          className="qwex-Chip"
          aria-pressed={search.mine}
          title={trans.__('My own jobs only')}
          onClick={() => board.find({ ...search, mine: !search.mine })}
        >
          {trans.__('Mine')}
        </button>
      </span>
    </div>
  );
}

function ChipView({ chip }: { chip: Chip }): JSX.Element {
  const { board } = useQwex();
  const { search } = board;
  const chosen = chip.states.every(state => search.states.has(state));
  const toggle = (): void => {
    const states = new Set(search.states);
    chip.states.forEach(state => (chosen ? states.delete(state) : states.add(state)));
    board.find({ ...search, states });
  };
  return (
    <button type="button" className="qwex-Chip" aria-pressed={chosen} onClick={toggle}>
      <StateIcon state={chip.sign} /> {chip.name}
    </button>
  );
}

function chips(trans: Words): Chip[] {
  return [
    { name: trans.__('Running'), states: RUNNING, sign: 'RUNNING' },
    { name: trans.__('Waiting'), states: WAITING, sign: 'QUEUED' },
    { name: trans.__('Succeeded'), states: ['SUCCEEDED'], sign: 'SUCCEEDED' },
    { name: trans.__('Failed'), states: ['FAILED'], sign: 'FAILED' },
    { name: trans.__('Cancelled'), states: ['CANCELLED'], sign: 'CANCELLED' }
  ];
}
