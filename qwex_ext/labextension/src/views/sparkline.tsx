/** The course of some numbers as a small line. */
import React from 'react';

/** Room for the width of the line at the edges, and for the dot at its end. */
const EDGE = 2;

export function Sparkline(props: {
  values: readonly (number | null)[];
  width: number;
  height: number;
}): JSX.Element | null {
  const { values, width, height } = props;
  const points = places(values, width, height);
  const last = points.filter(point => point !== null).pop();
  if (!last || values.length < 2) {
    return null;
  }
  return (
    <svg className="qwex-Sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden>
      <path d={path(points)} />
      <circle cx={last[0]} cy={last[1]} r={EDGE} />
    </svg>
  );
}

type Place = readonly [x: number, y: number];

/** Where each of them stands; null for what is no number. Numbers that are all the same lie in the middle. */
export function places(values: readonly (number | null)[], width: number, height: number): (Place | null)[] {
  const known = values.filter(value => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const [across, down] = [width - 2 * EDGE, height - 2 * EDGE];
  return values.map((value, at) => {
    if (value === null) {
      return null;
    }
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return [rounded(EDGE + (across * at) / Math.max(values.length - 1, 1)), rounded(EDGE + down * (1 - share))];
  });
}

/** A line from each to the next, broken at gaps; what stands alone between two of them is a dot. */
export function path(points: readonly (Place | null)[]): string {
  return points
    .map((point, at) => (point ? (points[at - 1] ? `L${point.join(' ')}` : `M${point.join(' ')}h0`) : ''))
    .join('');
}

function rounded(number: number): number {
  return Math.round(number * 10) / 10;
}
