/** A job's output: any number of lines, followed, searched, in its colours, to be downloaded. */
import { useVirtualizer } from '@tanstack/react-virtual';
import React, { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
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
  const count = log.lines.length;
  const rows = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    getItemKey: useCallback((index: number) => log.key(index), [log, log.dropped]),
    // Whoever reads further up keeps his place when lines are let go of.
    anchorTo: follow ? 'start' : 'end',
    overscan: 20
  });
  const height = rows.getTotalSize();
  const scrolling = useFollowing(scroller, follow, setFollow, `${height} ${followed.version()}`);
  useEffect(() => {
    if (search.line !== null && search.line >= log.dropped) {
      rows.scrollToIndex(search.line - log.dropped, { align: 'center' });
    }
  }, [rows, search.line, search.jumps]);
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
          {...scrolling}
        >
          <div style={{ height, position: 'relative' }}>
            {rows.getVirtualItems().map(({ key, index, start }) => (
              <LogLine
                key={key}
                index={index}
                top={start}
                measure={wrap ? rows.measureElement : null}
                line={log.lines[index]!}
                number={index + 1 + log.dropped}
                mark={search.text}
                here={search.line === index + log.dropped}
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

/** Whoever scrolls up stops following, whoever comes back to the end goes on. `drawn` is another one when there is more. */
function useFollowing(
  scroller: React.RefObject<HTMLElement>,
  follow: boolean,
  setFollow: (on: boolean) => void,
  drawn: string
): Pick<React.HTMLAttributes<HTMLElement>, 'onScroll' | 'onWheel' | 'onKeyDown'> {
  const top = useRef(0);
  useLayoutEffect(() => {
    if (follow && scroller.current) {
      scroller.current.scrollTop = scroller.current.scrollHeight;
      top.current = scroller.current.scrollTop;
    }
  }, [follow, drawn, scroller]);
  // What scrolls up is undone by the next drawing, and may never be seen as a scroll: the wish alone counts.
  const up = (wished: boolean): void => {
    if (wished && top.current > 0) {
      setFollow(false);
    }
  };
  return {
    onWheel: event => up(event.deltaY < 0),
    onKeyDown: event => up(['ArrowUp', 'PageUp', 'Home'].includes(event.key)),
    onScroll: () => {
      const { scrollTop, scrollHeight, clientHeight } = scroller.current!;
      up(scrollTop < top.current);
      if (scrollTop > top.current && scrollTop + clientHeight >= scrollHeight - LINE / 2) {
        setFollow(true);
      }
      top.current = scrollTop;
    }
  };
}

interface Search {
  text: string;
  setText: (text: string) => void;
  /** The lines' numbers, as `Log.find` has them. */
  found: readonly number[];
  step: (by: 1 | -1) => void;
  /** The one that is shown. */
  line: number | null;
  /** How often a line was gone to; the same one may be gone to again. */
  jumps: number;
}

/** Of a log that grows, what has come since is found with the next letter or step. */
function useSearch({ log }: Followed): Search {
  const [{ text, found, line, jumps }, set] = useState<Pick<Search, 'text' | 'found' | 'line' | 'jumps'>>(NOT_SOUGHT);
  return {
    text,
    found,
    line,
    jumps,
    setText: text => {
      const found = text ? log.find(text) : [];
      set({ text, found, line: found[0] ?? null, jumps: jumps + 1 });
    },
    step: by => {
      const found = log.find(text);
      const beyond = found.filter(other => (other - (line ?? -1)) * by > 0);
      set({
        text,
        found,
        jumps: jumps + 1,
        line: (by > 0 ? (beyond[0] ?? found[0]) : (beyond.pop() ?? found[found.length - 1])) ?? null
      });
    }
  };
}

const NOT_SOUGHT = { text: '', found: [], line: null, jumps: 0 };

function SearchField({ search, onSearch }: { search: Search; onSearch: () => void }): JSX.Element {
  const { trans } = useQwex().host;
  const { text, found, line } = search;
  const go = (by: 1 | -1): void => (search.step(by), onSearch());
  return (
    <span className="qwex-Log-search">
      <input
        type="search"
        value={text}
        placeholder={trans.__('Search')}
        aria-label={trans.__('Search the log')}
        onChange={event => (search.setText(event.target.value), onSearch())}
        onKeyDown={event => event.key === 'Enter' && text && go(event.shiftKey ? -1 : 1)}
      />
      {text && (
        <span role="status">
          {line === null ? trans.__('not found') : trans.__('%1 of %2', found.indexOf(line) + 1, found.length)}
        </span>
      )}
      <IconButton icon="up" label={trans.__('Previous')} disabled={!found.length} onClick={() => go(-1)} />
      <IconButton icon="down" label={trans.__('Next')} disabled={!found.length} onClick={() => go(1)} />
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
