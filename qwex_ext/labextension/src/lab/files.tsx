/** Scripts and notebooks as jobs. */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { ServiceManager } from '@jupyterlab/services';
import React from 'react';
import { asApiError, refusal } from '../api/problem';
import { ended, type Job, type JobState } from '../api/types';
import { NOTHING, words, type Asked } from '../model/magic';
import { attempt, told } from '../views/actions';
import { JobForm, ParameterForm } from '../views/form';
import type { Words } from '../views/host';
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
    const isNotebook = PathExt.extname(path) === '.ipynb';
    const fields = isNotebook ? notebookFields(await parameters(services, path)) : scriptFields(host.trans);
    const title = host.trans.__('Run %1 as a job', PathExt.basename(path));
    let given: Given | null = { line: '', params: {}, asked: NOTHING };
    let problem = '';
    while ((given = await form(qwex, title, fields, given, problem))) {
      try {
        const job = await submit(services, path, given);
        board.put(job);
        return host.openJob(job);
      } catch (error) {
        // What was filled in stays, with what is wrong above it.
        problem = told(asApiError(error), host.trans);
      }
    }
  });
}

/** Saves the notebook that a job runs, with its outputs so far, beside its source where that is; gives its path. */
export async function saveNotebook(
  qwex: Qwex,
  { contents }: ServiceManager.IManager,
  notebooks: INotebookTracker,
  job: string,
  source: string
): Promise<string> {
  const path = PathExt.join(PathExt.dirname(serverPath(source) ?? ''), `${job}.ipynb`);
  const before = await contents.get(path, { type: 'notebook' }).catch(() => null);
  // What was saved when the job had ended is whole, and may have been changed since.
  if (!before || !isWhole(before.content)) {
    const content = await qwex.board.api.notebook(job);
    await contents.save(path, { type: 'notebook', format: 'json', content });
    await notebooks.find(panel => panel.context.path === path)?.context.revert();
  }
  return path;
}

/** Whether it was saved when its job had ended. */
function isWhole(content: unknown): boolean {
  const about = (content as { metadata?: { qwex?: { state?: JobState } } } | undefined)?.metadata?.qwex;
  return about?.state !== undefined && ended({ state: about.state });
}

async function parameters(services: ServiceManager.IManager, path: string): Promise<Record<string, string> | null> {
  const named = encodeURIComponent(services.contents.localPath(path));
  const response = await request(services.serverSettings, `qwex/submit?path=${named}`);
  if (!response.ok) {
    throw await refusal(response);
  }
  return ((await response.json()) as { parameters: Record<string, string> | null }).parameters;
}

type Fields = (given: Given) => JSX.Element;

function notebookFields(parameters: Record<string, string> | null): Fields {
  return given => (
    <ParameterForm parameters={parameters} given={given.params} onChange={next => (given.params = next)} />
  );
}

function scriptFields(trans: Words): Fields {
  return given => (
    <label className="qwex-Form-wide">
      {trans.__('Arguments')}
      <input
        placeholder="--lr 0.1"
        defaultValue={given.line}
        spellCheck={false}
        onChange={event => (given.line = event.target.value)}
      />
    </label>
  );
}

async function form(qwex: Qwex, title: string, fields: Fields, before: Given, problem: string): Promise<Given | null> {
  const { trans } = qwex.host;
  const given = { ...before };
  const all = (
    <>
      {problem && (
        <p className="qwex-Form-problem" role="alert">
          {problem}
        </p>
      )}
      {fields(given)}
      <JobForm asked={given.asked} onChange={next => (given.asked = next)} without={['inputs', 'outputs']} />
    </>
  );
  const body = new View(qwex, () => all, 'qwex-FormView');
  const submits = Dialog.okButton({ label: trans.__('Submit') });
  const buttons = [Dialog.cancelButton(), submits];
  const { button } = await showDialog({ title, body, focusNodeSelector: 'input', buttons });
  return button.accept ? given : null;
}

async function submit(services: ServiceManager.IManager, path: string, { line, params, asked }: Given): Promise<Job> {
  const { gpu, cpu, mem, queue } = asked;
  const flags = Object.fromEntries(Object.entries({ gpu, cpu, mem, queue }).filter(([, value]) => value.trim()));
  const body = JSON.stringify({
    path: services.contents.localPath(path),
    args: words(line),
    params: Object.entries(params).map(([name, text]) => `${name}=${text}`),
    flags
  });
  const response = await request(services.serverSettings, 'qwex/submit', { method: 'POST', body });
  if (!response.ok) {
    throw await refusal(response);
  }
  return (await response.json()) as Job;
}
