/** Scripts as jobs. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { ServerConnection } from '@jupyterlab/services';
import React, { useState } from 'react';
import { asApiError, refusal } from '../api/problem';
import type { Job } from '../api/types';
import { NOTHING, type Asked } from '../model/magic';
import { JobForm } from '../views/form';
import { request } from './requests';
import type { Qwex } from './tokens';
import { View } from './widgets';

/** What is submitted: a file below the server's root. */
interface Submission {
  path: string;
  /** Words after a script's name. */
  args?: string[];
}

/** Lets a person say what a script needs, and submits it. */
export async function runFile(qwex: Qwex, settings: ServerConnection.ISettings, path: string): Promise<void> {
  const title = qwex.host.trans.__('Run %1 as a job', path.split('/').pop());
  let words = '';
  const given = await form(qwex, title, <Words label="Arguments" hint="--lr 0.1" onChange={text => (words = text)} />);
  if (given) {
    await submit(qwex, settings, { path, args: words.match(/"[^"]*"|'[^']*'|\S+/g)?.map(unquoted) ?? [] }, given);
  }
}

async function form(qwex: Qwex, title: string, more: JSX.Element): Promise<Asked | null> {
  let asked = NOTHING;
  const fields = (
    <>
      {more}
      <JobForm asked={asked} onChange={next => (asked = next)} without={['inputs', 'outputs']} />
    </>
  );
  const body = new View(qwex, () => fields, 'qwex-FormView');
  const submits = Dialog.okButton({ label: qwex.host.trans.__('Submit') });
  const { button } = await showDialog({
    title,
    body,
    focusNodeSelector: 'input',
    buttons: [Dialog.cancelButton(), submits]
  });
  return button.accept ? asked : null;
}

async function submit(qwex: Qwex, settings: ServerConnection.ISettings, what: Submission, asked: Asked): Promise<void> {
  const { board, host } = qwex;
  const { gpu, cpu, mem, queue } = asked;
  const flags = Object.fromEntries(Object.entries({ gpu, cpu, mem, queue }).filter(([, value]) => value.trim()));
  try {
    const body = JSON.stringify({ ...what, flags });
    const response = await request(settings, 'qwex/submit', { method: 'POST', body });
    if (!response.ok) {
      throw await refusal(response);
    }
    const job = (await response.json()) as Job;
    board.put(job);
    host.openJob(job);
  } catch (error) {
    const { message, command } = asApiError(error);
    host.say([message, command].filter(Boolean).join(' '), true);
  }
}

function Words(props: { label: string; hint: string; onChange: (text: string) => void }): JSX.Element {
  const [text, setText] = useState('');
  const change = (next: string): void => (setText(next), props.onChange(next));
  return (
    <label className="qwex-Form-wide">
      {props.label}
      <input value={text} placeholder={props.hint} spellCheck={false} onChange={event => change(event.target.value)} />
    </label>
  );
}

function unquoted(word: string): string {
  return /^(["']).*\1$/.test(word) ? word.slice(1, -1) : word;
}
