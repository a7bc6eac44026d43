/** Scripts as jobs. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { ServerConnection } from '@jupyterlab/services';
import React from 'react';
import { refusal } from '../api/problem';
import type { Job } from '../api/types';
import { NOTHING, words, type Asked } from '../model/magic';
import { attempt } from '../views/actions';
import { JobForm } from '../views/form';
import { request } from './requests';
import type { Qwex } from './tokens';
import { View } from './widgets';

/** Lets a person say what a script needs, and submits it. */
export async function runFile(qwex: Qwex, settings: ServerConnection.ISettings, path: string): Promise<void> {
  const { board, host } = qwex;
  const given = await form(qwex, host.trans.__('Run %1 as a job', path.split('/').pop()));
  if (given) {
    await attempt(host, async () => {
      const job = await submit(settings, path, given);
      board.put(job);
      host.openJob(job);
    });
  }
}

/** What a script is given, and what it asks for. */
interface Given {
  line: string;
  asked: Asked;
}

async function form(qwex: Qwex, title: string): Promise<Given | null> {
  const { trans } = qwex.host;
  const given: Given = { line: '', asked: NOTHING };
  const fields = (
    <>
      <label className="qwex-Form-wide">
        {trans.__('Arguments')}
        <input placeholder="--lr 0.1" spellCheck={false} onChange={event => (given.line = event.target.value)} />
      </label>
      <JobForm asked={NOTHING} onChange={next => (given.asked = next)} without={['inputs', 'outputs']} />
    </>
  );
  const body = new View(qwex, () => fields, 'qwex-FormView');
  const submits = Dialog.okButton({ label: trans.__('Submit') });
  const buttons = [Dialog.cancelButton(), submits];
  const { button } = await showDialog({ title, body, focusNodeSelector: 'input', buttons });
  return button.accept ? given : null;
}

async function submit(settings: ServerConnection.ISettings, path: string, { line, asked }: Given): Promise<Job> {
  const { gpu, cpu, mem, queue } = asked;
  const flags = Object.fromEntries(Object.entries({ gpu, cpu, mem, queue }).filter(([, value]) => value.trim()));
  const body = JSON.stringify({ path, args: words(line), flags });
  const response = await request(settings, 'qwex/submit', { method: 'POST', body });
  if (!response.ok) {
    throw await refusal(response);
  }
  return (await response.json()) as Job;
}
