/** Something cannot be shown: what, why, and the command that mends it. */
import React from 'react';
import type { ApiError } from '../api/problem';
import { useQwex } from './host';
import { Icon, IconButton } from './icons';

export function Problem({ problem, retry }: { problem: ApiError; retry: () => void }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  return (
    <div className="qwex-Problem" role="alert">
      <p>
        <Icon name="failed" className="qwex-State-failed" /> {problem.message}
      </p>
      {problem.command && (
        <p className="qwex-Command">
          <code>{problem.command}</code>
          <IconButton icon="copy" label={trans.__('Copy the command')} onClick={() => host.copy(problem.command)} />
        </p>
      )}
      <button type="button" className="qwex-Button" onClick={retry}>
        {trans.__('Try again')}
      </button>
    </div>
  );
}
