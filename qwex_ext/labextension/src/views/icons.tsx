/** Icons as drawings in the colour of the text around them. The ones of states differ in shape, not only in colour. */
import React from 'react';
import type { JobState, MachineState } from '../api/types';

const RING = <circle cx="8" cy="8" r="5.5" />;

const SHAPES = {
  pending: <circle cx="8" cy="8" r="5.5" strokeDasharray="2 2.3" />,
  queued: (
    <>
      {RING}
      <path d="M8 4.8V8l2.2 1.6" />
    </>
  ),
  admitted: (
    <>
      {RING}
      <path d="M8 2.5a5.5 5.5 0 0 1 0 11z" fill="currentColor" />
    </>
  ),
  running: <path d="M8 2.5A5.5 5.5 0 1 1 2.5 8" />,
  succeeded: <path d="M2.8 8.6l3.4 3.4 7-7.6" />,
  failed: <path d="M3.6 3.6l8.8 8.8M12.4 3.6l-8.8 8.8" />,
  cancelled: (
    <>
      {RING}
      <path d="M4.2 11.8l7.6-7.6" />
    </>
  ),
  ready: <circle cx="8" cy="8" r="5" fill="currentColor" />,
  stopping: (
    <>
      <circle cx="8" cy="8" r="5.5" strokeDasharray="2 2.3" />
      <rect x="6" y="6" width="4" height="4" fill="currentColor" stroke="none" />
    </>
  ),
  stopped: (
    <>
      {RING}
      <rect x="6" y="6" width="4" height="4" fill="currentColor" stroke="none" />
    </>
  ),
  start: <path d="M5 3.2v9.6L12.8 8z" fill="currentColor" />,
  remove: <path d="M2.8 4.3h10.4M6.2 4V2.5h3.6V4M4.2 4.5l.6 9h6.4l.6-9M6.6 7v4M9.4 7v4" />,
  code: <path d="M5.5 4L1.8 8l3.7 4M10.5 4l3.7 4-3.7 4" />,
  notebook: (
    <>
      <rect x="3.5" y="2" width="9.5" height="12" rx="1" />
      <path d="M6.5 2v12M2 5h3M2 8h3M2 11h3" />
    </>
  ),
  stop: <rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor" stroke="none" />,
  logs: <path d="M2.5 4h11M2.5 8h11M2.5 12h7" />,
  again: <path d="M13 8a5 5 0 1 1-1.6-3.7M13 2.2v3.2H9.8" />,
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1" />
      <path d="M10.5 5.5v-3h-8v8h3" />
    </>
  ),
  cell: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1" />
      <path d="M4.5 6l2 2-2 2M8 10.5h3.5" />
    </>
  ),
  outside: <path d="M6.5 3H3v10h10V9.5M9.5 2.5h4v4M13.5 2.5L7.5 8.5" />,
  why: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M6.3 6.3a1.8 1.8 0 1 1 2.6 1.7c-.6.3-.9.6-.9 1.4M8 11.3v.2" />
    </>
  ),
  more: <path d="M4 6l4 4 4-4" />,
  less: <path d="M4 10l4-4 4 4" />,
  close: <path d="M4 4l8 8M12 4l-8 8" />,
  download: <path d="M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11" />,
  search: (
    <>
      <circle cx="7" cy="7" r="4.5" />
      <path d="M10.5 10.5L14 14" />
    </>
  ),
  up: <path d="M8 13V3M4 7l4-4 4 4" />,
  down: <path d="M8 3v10M4 9l4 4 4-4" />
} as const;

export type IconName = keyof typeof SHAPES;

/** A drawing beside a word, or in a button that has a name: it says nothing by itself. */
export function Icon({ name, className = '' }: { name: IconName; className?: string }): JSX.Element {
  return (
    <svg className={`qwex-Icon ${className}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <g fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round">
        {SHAPES[name]}
      </g>
    </svg>
  );
}

export function StateIcon({ state }: { state: JobState }): JSX.Element {
  const name = state.toLowerCase() as IconName;
  return <Icon name={name} className={`qwex-State qwex-State-${name}`} />;
}

const MACHINE_ICONS: Record<MachineState, IconName> = {
  PENDING: 'pending',
  QUEUED: 'queued',
  STARTING: 'admitted',
  RUNNING: 'ready',
  STOPPING: 'stopping',
  STOPPED: 'stopped',
  FAILED: 'failed'
};

export function MachineIcon({ state }: { state: MachineState }): JSX.Element {
  const name = MACHINE_ICONS[state];
  return <Icon name={name} className={`qwex-State qwex-State-${name}`} />;
}

/** A button that shows only a drawing; its name is told to those who can't see it, and under the pointer. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  className?: string;
  tabIndex?: number;
}): JSX.Element {
  const { icon, label, onClick, disabled, pressed, className = '', tabIndex } = props;
  return (
    <button
      type="button"
      className={`qwex-IconButton ${className}`}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      tabIndex={tabIndex}
      onClick={event => {
        event.stopPropagation();
        onClick();
      }}
    >
      <Icon name={icon} />
    </button>
  );
}
