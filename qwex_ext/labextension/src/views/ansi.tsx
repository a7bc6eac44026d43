/** Text with the colours that terminals know, in the colours that the theme has for them. */
import Anser from 'anser';
import React from 'react';

/** One line; whoever draws many keeps it, since it is parsed at each drawing. */
export const Ansi = React.memo(function Ansi({ text, mark }: { text: string; mark?: string }): JSX.Element {
  if (!text.includes('\u001b')) {
    return <>{mark ? marked(text, mark) : text}</>;
  }
  const pieces = Anser.ansiToJson(text, { json: true, remove_empty: true, use_classes: true });
  return (
    <>
      {pieces.map(({ content, fg, bg, fg_truecolor, bg_truecolor, decorations }, at) => (
        <span key={at} className={classes(fg, bg, decorations)} style={colours(fg, bg, fg_truecolor, bg_truecolor)}>
          {mark ? marked(content, mark) : content}
        </span>
      ))}
    </>
  );
});

function classes(fg: string | null, bg: string | null, decorations: readonly string[]): string {
  const named = [fg && !custom(fg) ? `${fg}-fg` : '', bg && !custom(bg) ? `${bg}-bg` : ''];
  return [...named, ...decorations.map(each => `ansi-${each}`)].filter(Boolean).join(' ');
}

function colours(
  fg: string | null,
  bg: string | null,
  full: string | null,
  fullBg: string | null
): React.CSSProperties {
  return {
    ...(fg && custom(fg) && full ? { color: `rgb(${full})` } : {}),
    ...(bg && custom(bg) && fullBg ? { backgroundColor: `rgb(${fullBg})` } : {})
  };
}

/** Beyond the sixteen that themes have. */
function custom(name: string): boolean {
  return name.endsWith('truecolor') || name.startsWith('ansi-palette');
}

function marked(text: string, mark: string): React.ReactNode {
  const [where, sought] = [text.toLowerCase(), mark.toLowerCase()];
  const parts: React.ReactNode[] = [];
  let from = 0;
  for (let at = where.indexOf(sought); at >= 0; at = where.indexOf(sought, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + mark.length)}</mark>);
    from = at + mark.length;
  }
  return [...parts, text.slice(from)];
}
