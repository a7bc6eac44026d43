/** The records of a job's log but for its printed text, newest last. */
import React from 'react';
import type { Event } from '../api/types';
import { useWords } from './host';
import { clockTime } from './words';

/** Characters of a record that are shown. */
const LONGEST = 300;
const MOST = 500;

export function Events({ events }: { events: readonly Event[] }): JSX.Element {
  const trans = useWords();
  const left = Math.max(events.length - MOST, 0);
  return (
    <>
      {left > 0 && <p className="qwex-Note">{trans.__('%1 earlier ones are left out.', left)}</p>}
      <table className="qwex-Table qwex-Events">
        <thead>
          <tr>
            <th scope="col">{trans.__('Number')}</th>
            <th scope="col">{trans.__('Time')}</th>
            <th scope="col">{trans.__('Attempt')}</th>
            <th scope="col">{trans.__('Type')}</th>
            <th scope="col">{trans.__('Content')}</th>
          </tr>
        </thead>
        <tbody>
          {events.slice(-MOST).map(event => (
            <tr key={event.id}>
              <td>{event.id}</td>
              <td>{clockTime(event.ts)}</td>
              <td>{event.attempt}</td>
              <th scope="row">{event.type}</th>
              <td>
                <code>{shown(event)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function shown(event: Event): string {
  const { type: _type, ts: _ts, attempt: _attempt, seq: _seq, ...rest } = event.data;
  const text = JSON.stringify(rest);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
