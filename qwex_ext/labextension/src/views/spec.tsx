/** What was submitted, as a job file. */
import React, { useEffect, useState } from 'react';
import { asApiError, type ApiError } from '../api/problem';
import { useQwex } from './host';
import { IconButton } from './icons';
import { Problem } from './problem';

export function Spec({ id }: { id: string }): JSX.Element {
  const { board, host } = useQwex();
  const [text, setText] = useState<string | null>(null);
  const [problem, setProblem] = useState<ApiError | null>(null);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let here = true;
    setProblem(null);
    board.api.specText(id).then(
      said => here && setText(said),
      (error: unknown) => here && setProblem(asApiError(error))
    );
    return () => {
      here = false;
    };
  }, [board, id, again]);
  if (problem) {
    return <Problem problem={problem} retry={() => setAgain(again + 1)} />;
  }
  return (
    <div className="qwex-Spec">
      {text && <IconButton icon="copy" label={host.trans.__('Copy the spec')} onClick={() => host.copy(text)} />}
      <pre tabIndex={0}>{text}</pre>
    </div>
  );
}
