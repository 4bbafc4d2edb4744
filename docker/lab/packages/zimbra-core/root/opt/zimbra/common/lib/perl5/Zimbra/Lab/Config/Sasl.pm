package Zimbra::Lab::Config::Sasl;

# postfix asks saslauthd (as Zimbra's does), and that asks the mail store.

use strict;
use warnings;

sub files {
    return ('/opt/zimbra/conf/sasl2/smtpd.conf' =>
          ["log_level: 3\npwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\nsaslauthd_path: /opt/zimbra/data/sasl2/state/mux\n", undef, 0644]);
}

1;
