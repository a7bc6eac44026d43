/** What a job asks for and is given, in small forms. */
import React, { useEffect, useId, useState } from 'react';
import type { Queue } from '../api/types';
import type { Asked } from '../model/magic';
import { useQwex, type Words } from './host';

interface Field {
  name: keyof Asked;
  label: string;
  hint: string;
}

/** Calls `onChange` with every change; the application has the buttons. `without` leaves fields out. */
export function JobForm(props: {
  asked: Asked;
  onChange: (asked: Asked) => void;
  without?: readonly (keyof Asked)[];
}): JSX.Element {
  const { onChange, without = [] } = props;
  const { trans } = useQwex().host;
  const [asked, setAsked] = useState(props.asked);
  const queues = useQueues();
  const set = (name: keyof Asked, value: string): void => {
    const next = { ...asked, [name]: value };
    setAsked(next);
    onChange(next);
  };
  return (
    <div className="qwex-Form">
      {fields(trans)
        .filter(({ name }) => !without.includes(name))
        .map(field => (
          <FieldView
            key={field.name}
            field={field}
            value={asked[field.name]}
            choices={field.name === 'queue' ? queues : []}
            set={value => set(field.name, value)}
          />
        ))}
    </div>
  );
}

/** A field for each parameter of a notebook; calls `onChange` with those that were filled in, as texts. */
export function ParameterForm(props: {
  /** Each with its default as code; null where the notebook says nothing of any. */
  parameters: Readonly<Record<string, string>> | null;
  /** What is filled in at first. */
  given: Readonly<Record<string, string>>;
  onChange: (given: Readonly<Record<string, string>>) => void;
}): JSX.Element {
  const { trans } = useQwex().host;
  const [given, setGiven] = useState(props.given);
  const set = (name: string, value: string): void => {
    const next = { ...given, [name]: value };
    setGiven(next);
    props.onChange(Object.fromEntries(Object.entries(next).filter(([, text]) => text.trim())));
  };
  if (!props.parameters) {
    return <p className="qwex-Form-hint">{trans.__('To set values here, tag a cell of the notebook: parameters')}</p>;
  }
  return (
    <fieldset className="qwex-Form">
      <legend>{trans.__('Parameters')}</legend>
      {Object.entries(props.parameters).map(([name, value]) => (
        <FieldView
          key={name}
          field={{ label: name, hint: value }}
          value={given[name] ?? ''}
          choices={[]}
          set={text => set(name, text)}
        />
      ))}
    </fieldset>
  );
}

export function FieldView(props: {
  field: Pick<Field, 'label' | 'hint'>;
  value: string;
  choices: readonly Pick<Queue, 'backend' | 'name' | 'description'>[];
  set: (value: string) => void;
  /** What is wrong with it. */
  wrong?: string;
}): JSX.Element {
  const { field, value, choices, set, wrong } = props;
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{field.label}</label>
      <input
        id={id}
        value={value}
        placeholder={field.hint}
        list={choices.length ? `${id}-choices` : undefined}
        autoComplete="off"
        spellCheck={false}
        aria-invalid={wrong ? true : undefined}
        aria-describedby={wrong ? `${id}-wrong` : undefined}
        onChange={event => set(event.target.value)}
      />
      {wrong && (
        <p id={`${id}-wrong`} className="qwex-Form-wrong" role="alert">
          {wrong}
        </p>
      )}
      {choices.length > 0 && (
        <datalist id={`${id}-choices`}>
          {choices.map(queue => (
            <option key={`${queue.backend}/${queue.name}`} value={queue.name}>
              {queue.description}
            </option>
          ))}
        </datalist>
      )}
    </>
  );
}

export function useQueues(): readonly Queue[] {
  const { board } = useQwex();
  const [queues, setQueues] = useState<readonly Queue[]>([]);
  useEffect(() => {
    let here = true;
    board.queues.now().then(
      found => here && setQueues(found),
      () => undefined
    );
    return () => {
      here = false;
    };
  }, [board]);
  return queues;
}

function fields(trans: Words): Field[] {
  return [
    { name: 'gpu', label: trans.__('GPUs'), hint: trans.__('none; 1, A100:2, 24GB..80GB:1') },
    { name: 'cpu', label: trans.__('CPUs'), hint: '1' },
    { name: 'mem', label: trans.__('Memory'), hint: trans.__('4Gi') },
    { name: 'queue', label: trans.__('Queue'), hint: trans.__('the default one') },
    { name: 'inputs', label: trans.__('Variables to send along'), hint: trans.__('df, config') },
    { name: 'outputs', label: trans.__('Variables to bring back'), hint: trans.__('model, history') }
  ];
}
