/** Notifications of the system, for long builds that end while JupyterLab's tab is hidden. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

/** The user's setting, off at first. */
const KEY = 'systemNotifications';

/** Seconds of a build after which its end is told: nobody looks elsewhere for a shorter one. */
export const LONG = 30;

/** A notification of the system. */
export interface ISystemNotification {
  readonly text: string;
  /** One takes the place of an earlier one with the same tag. */
  readonly tag: string;
  readonly onClick: () => void;
}

/**
 * The system's notifications, as far as the browser has them and the user wants them. The browser is
 * asked for its permission only when the user says so.
 */
export class SystemNotifications {
  private settings: ISettingRegistry.ISettings | null = null;

  /** Follow the user's setting from now on. */
  use(settings: ISettingRegistry.ISettings): void {
    this.settings = settings;
  }

  /** Whether the user may be offered them. */
  get canBeOffered(): boolean {
    const isDenied = permission() === 'denied';
    return this.settings !== null && !isDenied && !this.areOn;
  }

  /** Ask the browser for its permission, and save that the user wants them. */
  async turnOn(): Promise<void> {
    if ((await window.Notification.requestPermission()) === 'granted') {
      await this.settings?.set(KEY, true);
    }
  }

  /** Show one if the user wants them; nothing where that fails. */
  show({ onClick, tag, text }: ISystemNotification): void {
    if (!this.areOn) {
      return;
    }
    try {
      const shown = new window.Notification(text, { tag });
      shown.onclick = () => {
        window.focus();
        shown.close();
        onClick();
      };
    } catch (error) {
      // Some browsers, as on phones, have them for service workers only.
      console.debug('No notification of the system:', error);
    }
  }

  private get areOn(): boolean {
    const wanted = this.settings?.get(KEY).composite === true;
    return wanted && permission() === 'granted';
  }
}

/** Whether the browser lets this page show them; never where it has none or the page is insecure. */
function permission(): NotificationPermission {
  return 'Notification' in window ? window.Notification.permission : 'denied';
}
