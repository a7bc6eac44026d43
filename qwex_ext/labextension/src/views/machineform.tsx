/** What a new dev machine is asked to be. */
import React, { useState } from 'react';
import type { AskedMachine, MachineField, Wrong } from '../model/machineform';
import { FieldView, useQueues } from './form';
import { useQwex, type Words } from './host';

/** Calls `onChange` with every change; the application has the buttons. What was wrong stands at its field. */
export function MachineForm(props: {
  asked: AskedMachine;
  wrong: Wrong;
  onChange: (asked: AskedMachine) => void;
}): JSX.Element {
  const { wrong, onChange } = props;
  const { board, host } = useQwex();
  const { places, place } = board.machines;
  const [asked, setAsked] = useState(props.asked);
  const queues = useQueues();
  const set = (name: MachineField, value: string): void => {
    const next = { ...asked, [name]: value };
    setAsked(next);
    onChange(next);
  };
  const choices: Partial<Record<MachineField, { backend: string; name: string; description: string }[]>> = {
    queue: queues.map(({ backend, name, description }) => ({ backend, name, description })),
    provider: places.map(name => ({ backend: '', name, description: '' }))
  };
  return (
    <>
      {wrong.rest && (
        <p className="qwex-Form-problem" role="alert">
          {wrong.rest}
        </p>
      )}
      <div className="qwex-Form">
        {fields(host.trans)
          // Where machines are without being told, nobody is asked.
          .filter(({ name }) => name !== 'provider' || !place || wrong.fields.provider)
          .map(field => (
            <FieldView
              key={field.name}
              field={field}
              value={asked[field.name]}
              choices={choices[field.name] ?? []}
              wrong={wrong.fields[field.name]}
              set={value => set(field.name, value)}
            />
          ))}
      </div>
    </>
  );
}

function fields(trans: Words): { name: MachineField; label: string; hint: string }[] {
  return [
    { name: 'name', label: trans.__('Name'), hint: trans.__('train; ssh calls it qwex-train') },
    { name: 'provider', label: trans.__('Where'), hint: trans.__('a place that has machines') },
    { name: 'gpu', label: trans.__('GPUs'), hint: trans.__('none; 1, A100:2, or several: H100,A100') },
    { name: 'cpu', label: trans.__('CPUs'), hint: '1' },
    { name: 'memory', label: trans.__('Memory'), hint: trans.__('the default; 32Gi') },
    { name: 'queue', label: trans.__('Queue'), hint: trans.__('the default one') },
    { name: 'image', label: trans.__('Image'), hint: trans.__('the site’s; any with sh') },
    { name: 'idle', label: trans.__('Stops without use after'), hint: trans.__('never; 2h, 30m') },
    { name: 'home', label: trans.__('Size of the home'), hint: '10Gi' }
  ];
}
