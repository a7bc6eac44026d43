/** The sidebar: jobs by what they do, dev machines where there can be any, and the queues. */
import { CommandToolbarButton, PanelWithToolbar, SidePanel, ToolbarButton } from '@jupyterlab/ui-components';
import { addIcon, refreshIcon } from '@jupyterlab/ui-components';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ITranslator } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import React from 'react';
import { Machines } from '../views/machines';
import { Queues } from '../views/queues';
import { Badge, Head, JobSection, type Section } from '../views/sidebar';
import { qwexIcon } from './icons';
import { Commands, type Qwex } from './tokens';
import { View } from './widgets';

export function sidebar(app: JupyterFrontEnd, qwex: Qwex, translator: ITranslator): SidePanel {
  const { trans } = qwex.host;
  const panel = new SidePanel({ translator });
  panel.id = 'qwex-sidebar';
  panel.addClass('qwex-Sidebar');
  panel.title.icon = qwexIcon;
  panel.title.caption = trans.__('Jobs and queues');
  panel.node.setAttribute('role', 'region');
  panel.node.setAttribute('aria-label', trans.__('Jobs and queues'));
  panel.header.addWidget(new View(qwex, () => <Head />, 'qwex-Head'));
  panel.toolbar.addItem('refresh', refresher(qwex));
  panel.toolbar.addItem('dashboard', new CommandToolbarButton({ commands: app.commands, id: Commands.dashboard }));
  for (const { key, name } of sections(qwex)) {
    panel.addWidget(section(qwex, key, name));
  }
  addMachines(panel, qwex);
  return panel;
}

/** Before the queues, for as long as there is a machine or a place for one. */
function addMachines(panel: SidePanel, qwex: Qwex): void {
  const { board, host } = qwex;
  const machines = section(qwex, 'machines', host.trans.__('Machines'));
  const create = new ToolbarButton({
    icon: addIcon,
    tooltip: host.trans.__('Create a dev machine'),
    onClick: () => host.createMachine?.()
  });
  machines.toolbar.addItem('create', create);
  const place = (): void => {
    const there = machines.parent !== null;
    if (board.machines.possible && !there) {
      panel.insertWidget(panel.widgets.length - 1, machines);
    } else if (!board.machines.possible && there) {
      machines.parent = null;
    }
  };
  board.machines.subscribe(place);
  place();
}

function refresher(qwex: Qwex): Widget {
  return new ToolbarButton({
    icon: refreshIcon,
    tooltip: qwex.host.trans.__('Ask again'),
    onClick: () => qwex.board.again()
  });
}

type Key = Section | 'queues' | 'machines';

function section(qwex: Qwex, key: Key, name: string): PanelWithToolbar {
  const panel = new PanelWithToolbar();
  panel.addClass('qwex-Section');
  panel.title.label = name;
  panel.toolbar.addItem('count', new View(qwex, () => <Badge section={key} />, 'qwex-Count'));
  panel.addWidget(new View(qwex, () => content(key)));
  return panel;
}

function content(key: Key): JSX.Element {
  if (key === 'queues') {
    return <Queues />;
  }
  return key === 'machines' ? <Machines /> : <JobSection section={key} />;
}

function sections({ host: { trans } }: Qwex): { key: Key; name: string }[] {
  return [
    { key: 'running', name: trans.__('Running') },
    { key: 'waiting', name: trans.__('Waiting') },
    { key: 'finished', name: trans.__('Finished') },
    { key: 'queues', name: trans.__('Queues') }
  ];
}
