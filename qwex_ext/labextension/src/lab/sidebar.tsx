/** The sidebar: jobs by what they do, and the queues. */
import { CommandToolbarButton, PanelWithToolbar, SidePanel, ToolbarButton } from '@jupyterlab/ui-components';
import { refreshIcon } from '@jupyterlab/ui-components';
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ITranslator } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';
import React from 'react';
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
  return panel;
}

function refresher(qwex: Qwex): Widget {
  return new ToolbarButton({
    icon: refreshIcon,
    tooltip: qwex.host.trans.__('Ask again'),
    onClick: () => qwex.board.again()
  });
}

function section(qwex: Qwex, key: Section | 'queues', name: string): PanelWithToolbar {
  const panel = new PanelWithToolbar();
  panel.addClass('qwex-Section');
  panel.title.label = name;
  panel.toolbar.addItem('count', new View(qwex, () => <Badge section={key} />, 'qwex-Count'));
  panel.addWidget(new View(qwex, () => (key === 'queues' ? <Queues /> : <JobSection section={key} />)));
  return panel;
}

function sections({ host: { trans } }: Qwex): { key: Section | 'queues'; name: string }[] {
  return [
    { key: 'running', name: trans.__('Running') },
    { key: 'waiting', name: trans.__('Waiting') },
    { key: 'finished', name: trans.__('Finished') },
    { key: 'queues', name: trans.__('Queues') }
  ];
}
