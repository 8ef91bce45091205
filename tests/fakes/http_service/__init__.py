"""What the HTTP stand-ins share: a clock, faults by rule, a log, a control side."""
