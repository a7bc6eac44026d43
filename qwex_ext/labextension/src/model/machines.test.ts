import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Api } from '../api/client';
import type { Machine, MachineState } from '../api/types';
import type { Feed, News } from './feed';
import { NO_MACHINE, specOf, wrongOf } from './machineform';
import { MachineList } from './machines';

class Wire implements Feed {
  connected = true;
  private _listener: (news: News) => void = () => undefined;
  subscribe(listener: (news: News) => void): () => void {
    this._listener = listener;
    return () => undefined;
  }
  tell(news: News): void {
    this._listener(news);
  }
  moved(id: string, state: MachineState | null, user = 'ada'): void {
    this.tell({ kind: 'machine', id, name: id, user, state, reason: '' });
  }
}

/** A controller with these machines, and what it was asked. */
class Controller {
  machines: Machine[] = [];
  place: string | undefined = 'kueue';
  away = false;
  /** Milliseconds before an answer comes, which is made before. */
  delay = 0;
  readonly asked: string[] = [];

  readonly fetch = async (path: string, init?: RequestInit): Promise<Response> => {
    this.asked.push(`${init?.method ?? 'GET'} ${path}`);
    if (this.away) {
      throw new TypeError('refused');
    }
    const answer = JSON.stringify(init?.method ? this._done(path, init.method) : this._all());
    await new Promise<void>(resolve => (this.delay ? setTimeout(resolve, this.delay) : resolve()));
    return new Response(answer);
  };

  add(id: string, state: MachineState): void {
    this.machines = [...this.machines.filter(each => each.id !== id), { id, name: id, user: 'ada', state } as Machine];
  }

  private _done(path: string, method: string): Machine {
    const id = path.split(/[/?]/)[2]!;
    this.add(id, method === 'DELETE' || path.endsWith('/stop') ? 'STOPPING' : 'PENDING');
    return this.machines[this.machines.length - 1]!;
  }

  private _all(): unknown {
    return { machines: this.machines, providers: ['kueue'], default_provider: this.place };
  }
}

let controller: Controller;
let wire: Wire;
let list: MachineList;

const passed = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);
const states = (): string[] => list.machines.map(machine => `${machine.id} ${machine.state}`);

beforeEach(() => {
  vi.useFakeTimers();
  controller = new Controller();
  wire = new Wire();
  list = new MachineList(new Api(controller.fetch), wire, () => 'ada');
});

afterEach(() => {
  vi.useRealTimers();
});

describe('the list', () => {
  test('is asked for while it is shown, and after changes, once for those that come together', async () => {
    controller.add('train', 'QUEUED');
    wire.moved('train', 'QUEUED');
    await passed(1000);
    expect(controller.asked).toEqual([]);
    const leave = list.show();
    await passed(0);
    expect(states()).toEqual(['train QUEUED']);
    controller.add('train', 'RUNNING');
    wire.moved('train', 'STARTING');
    wire.moved('train', 'RUNNING');
    await passed(100);
    expect(states()).toEqual(['train RUNNING']);
    expect(controller.asked).toHaveLength(2);
    wire.moved('theirs', 'RUNNING', 'bob');
    await passed(50_000);
    expect(controller.asked).toHaveLength(2);
    leave();
    await passed(200_000);
    expect(controller.asked).toHaveLength(2);
  });

  test('one that is no more goes', async () => {
    controller.add('train', 'STOPPED');
    list.show();
    await passed(0);
    await list.delete('train', true);
    expect(controller.asked[1]).toBe('DELETE /machines/train?purge=1');
    expect([...list.going]).toEqual(['train']);
    controller.machines = [];
    wire.moved('train', null);
    await passed(100);
    expect([states(), [...list.going]]).toEqual([[], []]);
  });

  test('what was asked of one is shown at once, and an older answer does not undo it', async () => {
    controller.add('train', 'RUNNING');
    list.show();
    await passed(0);
    controller.delay = 500;
    list.reload();
    controller.delay = 0;
    const stopping = list.stop('train');
    expect([...list.busy]).toEqual(['train']);
    await stopping;
    expect([states(), [...list.busy]]).toEqual([['train STOPPING'], []]);
    await passed(1000);
    expect(states()).toEqual(['train STOPPING']);
  });

  test('without a feed it is asked for again and again, and when the feed is back at once', async () => {
    wire.connected = false;
    list.show();
    await passed(20_000);
    expect(controller.asked.length).toBeGreaterThan(3);
    const before = controller.asked.length;
    wire.connected = true;
    wire.tell({ kind: 'connected' });
    await passed(0);
    expect(controller.asked).toHaveLength(before + 1);
  });

  test('a refusal leaves one as it was', async () => {
    controller.add('train', 'RUNNING');
    list.show();
    await passed(0);
    controller.away = true;
    await expect(list.stop('train')).rejects.toThrow('refused');
    expect([states(), [...list.busy]]).toEqual([['train RUNNING'], []]);
  });
});

// The controller before this one does not tell.
test.each(['', undefined])(
  'there is nothing to show where there is no machine, and no place for one: %s',
  async place => {
    expect(list.possible).toBe(false);
    controller.place = place;
    list.show();
    await passed(0);
    expect([list.known, list.possible]).toEqual([true, false]);
    controller.add('train', 'RUNNING');
    wire.moved('train', 'RUNNING');
    await passed(100);
    expect(list.possible).toBe(true);
  }
);

describe('the form', () => {
  test('what was filled in is asked for', () => {
    expect(specOf({ ...NO_MACHINE, name: ' train ', gpu: 'A100:2', home: '50Gi', idle: '' })).toEqual({
      name: 'train',
      home: '50Gi',
      resources: { gpu: 'A100:2' }
    });
    // The API says that a name is missing, at its field.
    expect(specOf(NO_MACHINE)).toEqual({ name: '', idle: '2h', resources: {} });
  });

  test('what is wrong stands at its field, and the rest above', () => {
    const problems = [
      { field: 'spec.resources.gpu', message: 'no GPU' },
      { field: 'spec.keys.0', message: 'no key' },
      { field: 'queue', message: 'no queue' }
    ];
    expect(wrongOf('all of it', problems)).toEqual({
      fields: { gpu: 'no GPU', queue: 'no queue' },
      rest: 'spec.keys.0: no key'
    });
    expect(wrongOf('you have a machine of that name', [])).toEqual({
      fields: {},
      rest: 'you have a machine of that name'
    });
  });
});
