/** A job's page: all there is to know of one job, in tabs. */
import React from 'react';
import { ended, type Job } from '../api/types';
import type { Followed } from '../model/followed';
import { useActions } from './actions';
import { Events } from './events';
import { Files } from './files';
import { useNow, useObserved, useQwex, useShown, type Tab, type Words } from './host';
import { Icon, IconButton, StateIcon } from './icons';
import { links } from './links';
import { LogView } from './log';
import { Overview } from './overview';
import { Problem } from './problem';
import { Spec } from './spec';
import { headline, joined, moreMemory, stateWord } from './words';

export function Page(props: { followed: Followed; tab: Tab; onTab: (tab: Tab) => void }): JSX.Element {
  const { tab, onTab } = props;
  const followed = useObserved(props.followed);
  useShown(followed);
  const { job, problem } = followed;
  if (!job) {
    return problem ? <Problem problem={problem} retry={() => followed.again()} /> : <div className="qwex-Page" />;
  }
  return (
    <div className="qwex-Page">
      <Title job={job} followed={followed} />
      <Tabs tab={tab} onTab={onTab} />
      {problem && <Problem problem={problem} retry={() => followed.again()} />}
      <div className="qwex-Page-body" role="tabpanel" id={panelId(job, tab)} aria-labelledby={tabId(tab)}>
        <Body followed={followed} job={job} tab={tab} />
      </div>
    </div>
  );
}

function Body({ followed, job, tab }: { followed: Followed; job: Job; tab: Tab }): JSX.Element {
  const { host } = useQwex();
  switch (tab) {
    case 'overview':
      return <Overview followed={followed} job={job} />;
    case 'logs':
      return <LogView followed={followed} />;
    case 'outputs':
      return followed.outputs.list.length ? (
        <host.Outputs outputs={followed.outputs.list} />
      ) : (
        <p className="qwex-Empty">{host.trans.__('It has shown nothing but text; see the logs.')}</p>
      );
    case 'files':
      return <Files followed={followed} job={job} />;
    case 'spec':
      return <Spec id={job.id} />;
    case 'events':
      return <Events events={followed.events} />;
  }
}

function Title({ job, followed }: { job: Job; followed: Followed }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  const now = useNow(ended(job) ? null : 1000);
  const told = headline(job, followed.why, now, trans);
  const said = ended(job) ? told : joined(stateWord(job.state, trans), told);
  return (
    <div className="qwex-Title">
      <StateIcon state={job.state} />
      <h2>{job.name}</h2>
      <code>{job.id}</code>
      <IconButton icon="copy" label={trans.__('Copy the id')} onClick={() => host.copy(job.id)} />
      <span className="qwex-Title-state" role="status">
        {said}
      </span>
      <Buttons job={job} />
    </div>
  );
}

/** What can be done with the job, as words. */
export function Buttons({ job }: { job: Job }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  const actions = useActions();
  const more = moreMemory(job);
  return (
    <span className="qwex-Buttons">
      {!ended(job) && (
        <button type="button" className="qwex-Button qwex-mod-warn" onClick={() => void actions.stop(job)}>
          <Icon name="stop" /> {trans.__('Stop')}
        </button>
      )}
      {more && (
        <button type="button" className="qwex-Button qwex-mod-accept" onClick={() => void actions.resubmitLarger(job)}>
          <Icon name="again" /> {trans.__('Submit again with %1', more)}
        </button>
      )}
      {ended(job) && (
        <button type="button" className="qwex-Button" onClick={() => void actions.resubmit(job)}>
          <Icon name="again" /> {trans.__('Submit again')}
        </button>
      )}
      {host.openNotebook && job.kind === 'notebook' && (
        <button type="button" className="qwex-Button" onClick={() => host.openNotebook?.(job)}>
          <Icon name="outside" /> {trans.__('Open with outputs')}
        </button>
      )}
      {host.openCell && job.notebook?.path && (
        <button type="button" className="qwex-Button" onClick={() => host.openCell?.(job)}>
          <Icon name="cell" /> {job.kind === 'notebook' ? trans.__('Notebook') : trans.__('Notebook cell')}
        </button>
      )}
      {links(job).map(([name, url]) => (
        <a key={name} className="qwex-Button" href={url} target="_blank" rel="noopener noreferrer">
          <Icon name="outside" /> {name}
        </a>
      ))}
    </span>
  );
}

function Tabs({ tab, onTab }: { tab: Tab; onTab: (tab: Tab) => void }): JSX.Element {
  const { trans } = useQwex().host;
  const all = names(trans);
  const onKeyDown = (event: React.KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const at = all.findIndex(([each]) => each === tab);
      const next = all[(at + step + all.length) % all.length]![0];
      onTab(next);
      document.getElementById(tabId(next))?.focus();
    }
  };
  return (
    <div className="qwex-Tabs" role="tablist" aria-label={trans.__('About this job')} onKeyDown={onKeyDown}>
      {all.map(([each, name]) => (
        <button
          key={each}
          id={tabId(each)}
          type="button"
          role="tab"
          aria-selected={each === tab}
          tabIndex={each === tab ? 0 : -1}
          onClick={() => onTab(each)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

function names(trans: Words): [Tab, string][] {
  return [
    ['overview', trans.__('Overview')],
    ['logs', trans.__('Logs')],
    ['outputs', trans.__('Outputs')],
    ['files', trans.__('Values and files')],
    ['spec', trans.__('Spec')],
    ['events', trans.__('Events')]
  ];
}

function tabId(tab: Tab): string {
  return `qwex-tab-${tab}`;
}

function panelId(job: Job, tab: Tab): string {
  return `qwex-panel-${job.id}-${tab}`;
}
