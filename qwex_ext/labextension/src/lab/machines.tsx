/** Making dev machines, and notebooks that run on them. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, showDialog, type ICommandPalette } from '@jupyterlab/apputils';
import { addIcon } from '@jupyterlab/ui-components';
import type { ServiceManager } from '@jupyterlab/services';
import React from 'react';
import { asApiError, refusal } from '../api/problem';
import type { Machine, MachineState } from '../api/types';
import { NO_MACHINE, NOTHING_WRONG, specOf, wrongOf, type AskedMachine, type Wrong } from '../model/machineform';
import { told } from '../views/actions';
import { MachineForm } from '../views/machineform';
import { request } from './requests';
import { Commands, type Qwex } from './tokens';
import { View } from './widgets';

/** What the kernel that runs on a machine is called. */
const kernelOf = (name: string): string => `qwex-machine-${name}`;

export function addMachines(app: JupyterFrontEnd, qwex: Qwex, palette: ICommandPalette | null): void {
  const { board, host } = qwex;
  const { trans } = host;
  const { kernelspecs } = app.serviceManager;
  const hasKernel = (name: unknown): boolean => kernelOf(String(name)) in (kernelspecs.specs?.kernelspecs ?? {});
  app.commands.addCommand(Commands.createMachine, {
    label: trans.__('Create a Dev Machine…'),
    icon: addIcon,
    isVisible: () => board.machines.possible,
    execute: () => createMachine(qwex, app.serviceManager)
  });
  app.commands.addCommand(Commands.machineNotebook, {
    label: args => trans.__('New Notebook on %1', String(args.name ?? '')),
    isVisible: args => hasKernel(args.name),
    isEnabled: args => hasKernel(args.name),
    execute: args => app.commands.execute('notebook:create-new', { kernelName: kernelOf(String(args.name)) })
  });
  palette?.addItem({ command: Commands.createMachine, category: trans.__('Jobs') });
  watchKernels(qwex, kernelspecs);
}

/** Kernels come and go with machines; JupyterLab itself looks for new ones once a minute. */
function watchKernels({ board }: Qwex, kernelspecs: ServiceManager.IManager['kernelspecs']): void {
  const states = new Map<string, MachineState | null>();
  board.feed.subscribe(news => {
    if (news.kind !== 'machine' || states.get(news.id) === news.state) {
      return;
    }
    states.set(news.id, news.state);
    void kernelspecs.refreshSpecs().catch(() => undefined);
  });
  kernelspecs.specsChanged.connect(() => board.machines.touch());
}

/** Lets a person say what it is to be, and makes it; what the server refuses stands at its field. */
async function createMachine(qwex: Qwex, services: ServiceManager.IManager): Promise<void> {
  const { board, host } = qwex;
  board.api.wake();
  let asked: AskedMachine | null = {
    ...NO_MACHINE,
    provider: board.machines.place ? '' : (board.machines.places[0] ?? '')
  };
  let wrong = NOTHING_WRONG;
  while ((asked = await form(qwex, asked, wrong))) {
    try {
      const { machine, note } = await create(services, asked);
      board.machines.put(machine);
      note && host.say(note, true);
      return;
    } catch (error) {
      const refused = asApiError(error);
      wrong = wrongOf(told(refused, host.trans), refused.problems);
    }
  }
}

async function form(qwex: Qwex, before: AskedMachine, wrong: Wrong): Promise<AskedMachine | null> {
  const { trans } = qwex.host;
  let asked = before;
  const body = new View(
    qwex,
    () => <MachineForm asked={before} wrong={wrong} onChange={next => (asked = next)} />,
    'qwex-FormView'
  );
  const buttons = [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Create') })];
  const { button } = await showDialog({
    title: trans.__('Create a dev machine'),
    body,
    focusNodeSelector: '[aria-invalid="true"], input',
    buttons
  });
  return button.accept ? asked : null;
}

/** By the Jupyter server, which adds its user's own key. */
async function create(
  services: ServiceManager.IManager,
  asked: AskedMachine
): Promise<{ machine: Machine; note: string }> {
  const body = JSON.stringify({ spec: specOf(asked) });
  const response = await request(services.serverSettings, 'qwex/machines', { method: 'POST', body });
  if (!response.ok) {
    throw await refusal(response);
  }
  return (await response.json()) as { machine: Machine; note: string };
}
