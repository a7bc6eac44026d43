/** Why a job waits: its places, its reason, the quotas, how long it may take, and what would help. */
import React from 'react';
import type { Why } from '../api/types';
import { useWords } from './host';
import { amount, estimate, waiting } from './words';

export function WhyView({ why }: { why: Why }): JSX.Element {
  const trans = useWords();
  const when = estimate(why, trans);
  const quota = why.quota.filter(line => line.requested > 0);
  return (
    <div className="qwex-Why">
      <p>{waiting(why, trans)}</p>
      {when && <p className="qwex-Why-when">{when}</p>}
      {quota.length > 0 && (
        <table className="qwex-Table" aria-label={trans.__('Quotas')}>
          <thead>
            <tr>
              <th scope="col">{trans.__('Resource')}</th>
              <th scope="col">{trans.__('Asked for')}</th>
              <th scope="col">{trans.__('In use')}</th>
              <th scope="col">{trans.__('Quota')}</th>
            </tr>
          </thead>
          <tbody>
            {quota.map(line => (
              <tr key={line.resource}>
                <th scope="row">{line.resource}</th>
                <td>{amount(line, line.requested)}</td>
                <td>{amount(line, line.used)}</td>
                <td>{line.nominal === null ? trans.__('not known') : amount(line, line.nominal)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {why.suggestions.length > 0 && (
        <ul aria-label={trans.__('What would help')}>
          {why.suggestions.map(suggestion => (
            <li key={suggestion}>{suggestion}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
