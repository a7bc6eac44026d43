/** The values a job gives back. */
import React from 'react';
import { path } from '../api/client';
import type { Job } from '../api/types';
import type { Followed } from '../model/followed';
import { useQwex } from './host';
import { Icon, IconButton } from './icons';
import { bytes } from './words';

export function Files({ followed, job }: { followed: Followed; job: Job }): JSX.Element {
  const { host } = useQwex();
  const { trans } = host;
  const missing = job.outputs.filter(name => !followed.values.some(value => value.name === name));
  if (!followed.values.length && !missing.length) {
    return <p className="qwex-Empty">{trans.__('It gives no values back. A cell asks for some with -o NAME.')}</p>;
  }
  return (
    <table className="qwex-Table">
      <thead>
        <tr>
          <th scope="col">{trans.__('Value')}</th>
          <th scope="col">{trans.__('Type')}</th>
          <th scope="col">{trans.__('Size')}</th>
          <th scope="col">
            <span className="qwex-Told">{trans.__('Actions')}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {followed.values.map(value => (
          <tr key={value.name}>
            <th scope="row">{value.name}</th>
            <td>{value.type_name}</td>
            <td>{bytes(value.size)}</td>
            <td>
              <IconButton
                icon="copy"
                label={trans.__('Copy the line that fetches %1 in a notebook', value.name)}
                onClick={() => host.copy(`%qwex attach ${job.id} -o ${value.name}`)}
              />
              <a
                className="qwex-IconButton"
                href={host.link(`${path(job.id)}/values/${encodeURIComponent(value.name)}`)}
                download={`${value.name}.${value.format}`}
                title={trans.__('Download %1', value.name)}
                aria-label={trans.__('Download %1', value.name)}
              >
                <Icon name="download" />
              </a>
            </td>
          </tr>
        ))}
        {missing.map(name => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td colSpan={3}>{trans.__('not there')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
