/** Requests to the Jupyter server, which hands those of the API on to the controller. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { Fetch } from '../api/client';

const API = 'qwex/api';

/** The API by way of the Jupyter server. */
export function apiOf(settings: ServerConnection.ISettings): Fetch {
  return (path, init) => request(settings, API + path, init);
}

/** Another path of qwex's server extension. */
export function request(settings: ServerConnection.ISettings, path: string, init: RequestInit = {}): Promise<Response> {
  return ServerConnection.makeRequest(settings.baseUrl + path, init, settings);
}

/** The address of a path of the API, for the browser itself to fetch. */
export function addressOf(settings: ServerConnection.ISettings, path: string): string {
  const address = URLExt.join(settings.baseUrl, API) + path;
  return settings.appendToken && settings.token ? `${address}?token=${encodeURIComponent(settings.token)}` : address;
}
