/** Scripts and notebooks as jobs. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { ServiceManager } from '@jupyterlab/services';
import React from 'react';
import { refusal } from '../api/problem';
import type { Job } from '../api/types';
import { NOTHING, words, type Asked } from '../model/magic';
import { parameters, type Notebook } from '../model/notebook';
import { attempt } from '../views/actions';
import { JobForm, ParameterForm } from '../views/form';
import { serverPath } from './host';
import { request } from './requests';
import type { Qwex } from './tokens';
import { View } from './widgets';

/** What a file's job is given, and what it asks for. */
interface Given {
  /** Arguments of a script. */
  line: string;
  /** Parameters of a notebook. */
  params: Readonly<Record<string, string>>;
  asked: Asked;
}

/** Lets a person say what the file needs, and submits it as it is saved. */
export async function runFile(qwex: Qwex, services: ServiceManager.IManager, path: string): Promise<void> {
  const { board, host } = qwex;
  await attempt(host, async () => {
    const notebook = PathExt.extname(path) === '.ipynb' ? await read(services, path) : null;
    const given = await form(qwex, host.trans.__('Run %1 as a job', PathExt.basename(path)), notebook);
    if (given) {
      const job = await submit(services, path, given, notebook);
      board.put(job);
      host.openJob(job);
    }
  });
}

/** Saves the notebook that a job runs, with its outputs so far, beside its source where that is; gives its path. */
export async function saveNotebook(
  qwex: Qwex,
  services: ServiceManager.IManager,
  job: string,
  source: string
): Promise<string> {
  const content = await qwex.board.api.notebook(job);
  const path = PathExt.join(PathExt.dirname(serverPath(source) ?? ''), `${job}.ipynb`);
  await services.contents.save(path, { type: 'notebook', format: 'json', content });
  return path;
}

async function read(services: ServiceManager.IManager, path: string): Promise<Notebook> {
  return (await services.contents.get(path, { type: 'notebook', content: true })).content as Notebook;
}

async function form(qwex: Qwex, title: string, notebook: Notebook | null): Promise<Given | null> {
  const { trans } = qwex.host;
  const given: Given = { line: '', params: {}, asked: NOTHING };
  const fields = (
    <>
      {notebook ? (
        <ParameterForm parameters={parameters(notebook)} onChange={next => (given.params = next)} />
      ) : (
        <label className="qwex-Form-wide">
          {trans.__('Arguments')}
          <input placeholder="--lr 0.1" spellCheck={false} onChange={event => (given.line = event.target.value)} />
        </label>
      )}
      <JobForm asked={NOTHING} onChange={next => (given.asked = next)} without={['inputs', 'outputs']} />
    </>
  );
  const body = new View(qwex, () => fields, 'qwex-FormView');
  const submits = Dialog.okButton({ label: trans.__('Submit') });
  const buttons = [Dialog.cancelButton(), submits];
  const { button } = await showDialog({ title, body, focusNodeSelector: 'input', buttons });
  return button.accept ? given : null;
}

async function submit(
  services: ServiceManager.IManager,
  path: string,
  { line, params, asked }: Given,
  notebook: Notebook | null
): Promise<Job> {
  const { gpu, cpu, mem, queue } = asked;
  const flags = Object.fromEntries(Object.entries({ gpu, cpu, mem, queue }).filter(([, value]) => value.trim()));
  const body = JSON.stringify({
    path: services.contents.localPath(path),
    args: words(line),
    params: Object.entries(params).map(([name, text]) => `${name}=${text}`),
    flags,
    kernel: kernelOf(services, notebook)
  });
  const response = await request(services.serverSettings, 'qwex/submit', { method: 'POST', body });
  if (!response.ok) {
    throw await refusal(response);
  }
  return (await response.json()) as Job;
}

/** The kernel that the notebook names, if this server has it. */
function kernelOf({ kernelspecs }: ServiceManager.IManager, notebook: Notebook | null): string {
  const name = notebook?.metadata?.kernelspec?.name ?? '';
  return kernelspecs.specs?.kernelspecs[name] ? name : '';
}
