/** Outputs drawn as those of a cell. */
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import React, { useEffect, useLayoutEffect, useRef } from 'react';
import type { Output } from '../model/outputs';

/** A view of outputs that draws with this registry. They are as trusted as the user's own code, which made them. */
export function outputsWith(rendermime: IRenderMimeRegistry): React.ComponentType<{ outputs: readonly Output[] }> {
  return function Outputs({ outputs }) {
    const place = useRef<HTMLDivElement>(null);
    const area = useRef<SimplifiedOutputArea | null>(null);
    // Before the place goes: a widget whose node has gone cannot be detached any more.
    useLayoutEffect(() => {
      const made = new SimplifiedOutputArea({ model: new OutputAreaModel({ trusted: true }), rendermime });
      area.current = made;
      Widget.attach(made, place.current!);
      return () => {
        made.model.dispose();
        made.dispose();
      };
    }, []);
    useEffect(() => {
      area.current?.model.fromJSON(outputs as never);
    }, [outputs]);
    return <div className="qwex-Outputs" ref={place} />;
  };
}
