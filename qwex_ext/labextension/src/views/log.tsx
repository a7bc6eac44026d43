/** A job's output: any number of lines, followed, searched, in its colours, to be downloaded. */
import { useVirtualizer } from '@tanstack/react-virtual';
import React, { useEffect, useMemo, useRef, useState } from 'react';
import { path } from '../api/client';
import { ended } from '../api/types';
import type { Followed } from '../model/followed';
import { Ansi } from './ansi';
import { useObserved, useQwex } from './host';
import { Icon, IconButton } from './icons';

const LINE = 18;

export function LogView({ followed }: { followed: Followed }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  useObserved(followed);
  const { log, job } = followed;
  const [follow, setFollow] = useState(true);
  const [wrap, setWrap] = useState(false);
  const search = useSearch(followed);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: log.lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    overscan: 20
  });
  const count = log.lines.length;
  const onScroll = useFollowing(setFollow);
  useEffect(() => {
    if (follow && count) {
      rows.scrollToIndex(count - 1, { align: 'end' });
    }
  }, [count, follow, rows, followed.version()]);
  useEffect(() => {
    if (search.line !== null) {
      rows.scrollToIndex(search.line, { align: 'center' });
    }
  }, [rows, search.line]);
  return (
    <div className="qwex-Log">
      <div className="qwex-Log-bar" role="toolbar" aria-label={trans.__('Log')}>
        <SearchField search={search} onSearch={() => setFollow(false)} />
        <span className="qwex-Spacer" />
        <Toggle label={trans.__('Wrap')} on={wrap} set={setWrap} />
        {job && !ended(job) && <Toggle label={trans.__('Follow')} on={follow} set={setFollow} />}
        <a
          className="qwex-IconButton"
          href={host.link(`${path(followed.id)}/logs`)}
          download={`${followed.id}.log`}
          aria-label={trans.__('Download the whole log')}
          title={trans.__('Download the whole log')}
        >
          <Icon name="download" />
        </a>
      </div>
      {(followed.cut || log.dropped > 0) && (
        <p className="qwex-Note">{trans.__('Earlier lines are left out here. The download has all of them.')}</p>
      )}
      {count ? (
        <div
          className={`qwex-Log-lines ${wrap ? 'qwex-mod-wrap' : ''}`}
          ref={scroller}
          role="log"
          aria-live="off"
          aria-label={trans.__('Output of %1', job?.name ?? followed.id)}
          tabIndex={0}
          onScroll={event => onScroll(event.currentTarget)}
        >
          <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
            {rows.getVirtualItems().map(({ index, start }) => (
              <LogLine
                key={index}
                index={index}
                top={start}
                measure={wrap ? rows.measureElement : null}
                line={log.lines[index]!}
                number={index + 1 + log.dropped}
                mark={search.text}
                here={search.line === index}
              />
            ))}
          </div>
        </div>
      ) : (
        <p className="qwex-Empty">
          {followed.whole ? trans.__('It printed nothing.') : trans.__('Nothing is printed yet.')}
        </p>
      )}
    </div>
  );
}

function LogLine(props: {
  index: number;
  top: number;
  measure: ((node: Element | null) => void) | null;
  line: { text: string; source: string };
  number: number;
  mark: string;
  here: boolean;
}): JSX.Element {
  const { index, top, measure, line, number, mark, here } = props;
  return (
    <div
      ref={measure}
      data-index={index}
      className={`qwex-Log-line qwex-mod-${line.source} ${here ? 'qwex-mod-here' : ''}`}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span className="qwex-Log-number" aria-hidden="true">
        {number}
      </span>
      <span className="qwex-Log-text">
        <Ansi text={line.text} mark={mark} />
      </span>
    </div>
  );
}

/** Whoever scrolls up stops following, whoever comes back to the end goes on. */
function useFollowing(setFollow: (on: boolean) => void): (scrolled: HTMLElement) => void {
  const top = useRef(0);
  return ({ scrollTop, scrollHeight, clientHeight }) => {
    if (scrollTop + clientHeight >= scrollHeight - LINE / 2) {
      setFollow(true);
    } else if (scrollTop < top.current) {
      setFollow(false);
    }
    top.current = scrollTop;
  };
}

interface Search {
  text: string;
  setText: (text: string) => void;
  found: readonly number[];
  /** Which of them is shown, from 0. */
  at: number;
  step: (by: number) => void;
  line: number | null;
}

function useSearch(followed: Followed): Search {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const { log } = followed;
  // Of a log that grows, what has come since is found with the next letter or step.
  const found = useMemo(() => (text ? log.find(text) : []), [text, at, log]);
  const here = found.length ? ((at % found.length) + found.length) % found.length : 0;
  return {
    text,
    found,
    at: here,
    line: found[here] ?? null,
    setText: next => (setText(next), setAt(0)),
    step: by => setAt(here + by)
  };
}

function SearchField({ search, onSearch }: { search: Search; onSearch: () => void }): JSX.Element {
  const { trans } = useQwex().host;
  const { text, found, at, step } = search;
  return (
    <span className="qwex-Log-search">
      <input
        type="search"
        value={text}
        placeholder={trans.__('Search')}
        aria-label={trans.__('Search the log')}
        onChange={event => (search.setText(event.target.value), onSearch())}
        onKeyDown={event => event.key === 'Enter' && step(event.shiftKey ? -1 : 1)}
      />
      {text && (
        <span role="status">{found.length ? trans.__('%1 of %2', at + 1, found.length) : trans.__('not found')}</span>
      )}
      <IconButton icon="up" label={trans.__('Previous')} disabled={!found.length} onClick={() => step(-1)} />
      <IconButton icon="down" label={trans.__('Next')} disabled={!found.length} onClick={() => step(1)} />
    </span>
  );
}

function Toggle({ label, on, set }: { label: string; on: boolean; set: (on: boolean) => void }): JSX.Element {
  return (
    <button type="button" className="qwex-Chip" aria-pressed={on} onClick={() => set(!on)}>
      {label}
    </button>
  );
}
