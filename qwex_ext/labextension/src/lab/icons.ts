import { LabIcon } from '@jupyterlab/ui-components';

/** Jobs in a line, the first of them on its way. */
export const qwexIcon = new LabIcon({
  name: 'qwex:qwex',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <path d="M11 4.2v7.6L17.5 8z"/>
    <rect x="3" y="6.8" width="6" height="2.4" rx="1.2"/>
    <rect x="3" y="14" width="18" height="2.4" rx="1.2"/>
    <rect x="3" y="18.4" width="18" height="2.4" rx="1.2"/>
  </g>
</svg>`
});
