/** What cannot be drawn is shown as text, and takes nothing else with it. */
import React from 'react';

interface Props {
  /** What it says at least. */
  text: string;
  children: React.ReactNode;
}

export class Guard extends React.Component<Props, { broken: boolean }> {
  state = { broken: false };

  static getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  render(): React.ReactNode {
    return this.state.broken ? <pre>{this.props.text}</pre> : this.props.children;
  }
}
