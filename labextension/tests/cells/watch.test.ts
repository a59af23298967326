import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { IJob } from '../../src/api/types';
import { LiveBuilds } from '../../src/cells/builds';
import { watchBuilds } from '../../src/cells/watch';
import { SystemNotifications } from '../../src/cells/systemnotifications';
import { CommandIDs } from '../../src/commandids';
import type { ContainersModel } from '../../src/models/model';
import type { IRunningBuild } from '../../src/models/notebookstate';
import { done, event, FakeServer, job, lines } from './fakes';

type ISettings = ISettingRegistry.ISettings;

const state = { build: null as IRunningBuild | null };
let title: { className: string };
let ended: (end: IJob) => void;
let builds: LiveBuilds;
const shown = vi.fn();

/** What the system has shown, and what its browser allows. */
class SystemNotification {
  static permission = 'default';
  static readonly all: SystemNotification[] = [];
  onclick: (() => void) | null = null;
  readonly close = vi.fn();

  static requestPermission(): Promise<string> {
    this.permission = 'granted';
    return Promise.resolve(this.permission);
  }

  constructor(readonly text: string) {
    SystemNotification.all.push(this);
  }
}

/** The user's settings. */
function settingsOf(isOn: boolean) {
  const set = vi.fn();
  const get = () => ({ composite: isOn });
  return { set, settings: { get, set } as unknown as ISettings };
}

/** One open notebook, and a build of its cell that ends when the test says so. */
function watch({ isVisible = true, settings = null as ISettings | null } = {}) {
  title = { className: 'jp-mod-dirty' };
  const panel = {
    id: 'p',
    isDisposed: false,
    isVisible,
    title,
    context: {
      localPath: 'a.ipynb',
      path: 'a.ipynb',
      ready: Promise.resolve()
    },
    content: { model: { cells: [{ id: 'c1' }] } }
  } as unknown as NotebookPanel;
  const tracker = {
    widgetAdded: new Signal({}),
    find: (is: (one: NotebookPanel) => boolean) => [panel].find(is),
    forEach: (run: (one: NotebookPanel) => void) => run(panel)
  } as unknown as INotebookTracker;
  const end = new Promise<IJob>(resolve => (ended = resolve));
  const step = { step: 2, steps: 3, text: 'RUN x' };
  const server = new FakeServer({
    'GET builds/j1/events': () =>
      new Response(
        new ReadableStream({
          async start(controller) {
            const send = (text: string) =>
              controller.enqueue(new TextEncoder().encode(text));
            send(lines(event(0, 'step', step)));
            send(lines(event(1, 'end', { job: await end })));
            controller.close();
          }
        })
      )
  });
  builds = new LiveBuilds(server.api);
  const commands = new CommandRegistry();
  commands.addCommand(CommandIDs.showCell, { execute: shown });
  const model = { stateOf: () => state } as unknown as ContainersModel;
  const system = new SystemNotifications();
  if (settings) {
    system.use(settings);
  }
  watchBuilds({ builds, commands, model, system, tracker });
  builds.follow(job());
}

beforeEach(() => {
  state.build = null;
  shown.mockReset();
});
afterEach(() => {
  Notification.dismiss();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  SystemNotification.all.length = 0;
  SystemNotification.permission = 'default';
});

it('shows the step in the notebook and a mark on its tab, until the end', async () => {
  watch();
  await vi.waitFor(() => expect(state.build?.step).toBe(2));
  expect(state.build).toMatchObject({ cell: 'c1', steps: 3, text: 'RUN x' });
  expect(title.className).toBe('jp-mod-dirty jp-mod-containersBuilding');
  ended(done());
  await vi.waitFor(() => expect(state.build).toBe(null));
  expect(title.className).toBe('jp-mod-dirty');
  expect(Notification.manager.count).toBe(0);
});

it.each([
  ['done', done(), /^a\.ipynb: its image is built/],
  ['failed', job({ state: 'failed' }), /the build failed/],
  ['cancelled', job({ state: 'cancelled' }), null]
])('tells the end of a build that is not seen: %s', async (_, end, text) => {
  watch({ isVisible: false });
  ended({ ...end, ended: 1001 });
  await vi.waitFor(() => expect(builds.running).toHaveLength(0));
  const [told] = Notification.manager.notifications;
  expect(Notification.manager.count).toBe(text ? 1 : 0);
  if (text && told) {
    expect(told.message).toMatch(text);
    told.options.actions![0]!.callback(new MouseEvent('click'));
    expect(shown).toHaveBeenCalledWith({ path: 'a.ipynb' });
  }
});

describe('a long build that ends while the page is hidden', () => {
  const end = { ...done(), ended: 1031 };
  const finish = async () => {
    ended(end);
    await vi.waitFor(() => expect(builds.running).toHaveLength(0));
    const [told] = Notification.manager.notifications;
    return told!.options.actions!.map(({ label }) => label);
  };

  beforeEach(() => {
    vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
    vi.stubGlobal('Notification', SystemNotification);
  });

  it('offers a notification of the system, and asks the browser on a click', async () => {
    const { set, settings } = settingsOf(false);
    watch({ settings });
    expect(await finish()).toEqual(['Show', 'Also notify by the system']);
    expect(SystemNotification.all).toEqual([]);
    expect(SystemNotification.permission).toBe('default');
    const [told] = Notification.manager.notifications;
    told!.options.actions![1]!.callback(new MouseEvent('click'));
    await vi.waitFor(() =>
      expect(set).toHaveBeenCalledWith('systemNotifications', true)
    );
  });

  it('is told by the system where the user wants it, and leads to the cell', async () => {
    SystemNotification.permission = 'granted';
    watch({ settings: settingsOf(true).settings });
    expect(await finish()).toEqual(['Show']);
    const [told] = SystemNotification.all;
    expect(told?.text).toMatch(/^a\.ipynb: its image is built/);
    const focus = vi.spyOn(window, 'focus').mockReturnValue();
    told!.onclick!();
    expect(focus).toHaveBeenCalled();
    expect(shown).toHaveBeenCalledWith({ path: 'a.ipynb' });
  });

  it.each([
    ['denies it', 'denied', SystemNotification],
    ['has none', 'granted', undefined],
    [
      'has it for service workers only',
      'granted',
      class extends SystemNotification {
        constructor(text: string) {
          super(text);
          SystemNotification.all.length = 0;
          throw new TypeError('Illegal constructor.');
        }
      }
    ]
  ])(
    'is told by the page alone where the browser %s',
    async (_, may, found) => {
      SystemNotification.permission = may;
      vi.stubGlobal('Notification', found);
      if (!found) {
        Reflect.deleteProperty(window, 'Notification');
      }
      watch({ settings: settingsOf(true).settings });
      expect(await finish()).toEqual(['Show']);
      expect(SystemNotification.all).toEqual([]);
    }
  );
});

it('a short build that ends while the page is hidden is told by the page alone', async () => {
  vi.spyOn(document, 'hidden', 'get').mockReturnValue(true);
  vi.stubGlobal('Notification', SystemNotification);
  SystemNotification.permission = 'granted';
  watch({ settings: settingsOf(true).settings });
  ended({ ...done(), ended: 1029 });
  await vi.waitFor(() => expect(builds.running).toHaveLength(0));
  expect(Notification.manager.count).toBe(1);
  expect(SystemNotification.all).toEqual([]);
});
