"""Routes files in the manner of Alertmanager's documentation, one for each thing that it shows."""

from __future__ import annotations

SIMPLE = """
global:
  smtp_smarthost: 'localhost:25'
  smtp_from: 'alertmanager@example.org'
  smtp_auth_username: 'alertmanager'
  smtp_auth_password: 'password'
templates:
  - '/etc/alertmanager/template/*.tmpl'
route:
  group_by: ['alertname', 'cluster', 'service']
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 3h
  receiver: team-X-mails
  routes:
    - matchers:
        - service=~"foo1|foo2|baz"
      receiver: team-X-mails
      routes:
        - matchers:
            - severity="critical"
          receiver: team-X-pager
    - matchers:
        - service="files"
      receiver: team-Y-mails
      routes:
        - matchers:
            - severity="critical"
          receiver: team-Y-pager
    - matchers:
        - service="database"
      receiver: team-DB-pager
      group_by: [alertname, cluster, database]
      routes:
        - matchers:
            - owner="team-X"
          receiver: team-X-pager
          continue: true
        - matchers:
            - owner="team-Y"
          receiver: team-Y-pager
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [alertname, cluster, service]
receivers:
  - name: 'team-X-mails'
    email_configs:
      - to: 'team-X+alerts@example.org, team-Y+alerts@example.org'
  - name: 'team-X-pager'
    email_configs:
      - to: 'team-X+alerts-critical@example.org'
    pagerduty_configs:
      - routing_key: <team-X-key>
  - name: 'team-Y-mails'
    email_configs:
      - to: 'team-Y+alerts@example.org'
  - name: 'team-Y-pager'
    pagerduty_configs:
      - routing_key: <team-Y-key>
  - name: 'team-DB-pager'
    pagerduty_configs:
      - routing_key: <team-DB-key>
"""

TREE = """
route:
  receiver: 'default-receiver'
  group_wait: 30s
  group_interval: 5m
  repeat_interval: 4h
  group_by: [cluster, alertname]
  routes:
  - receiver: 'database-pager'
    group_wait: 10s
    matchers:
    - service=~"mysql|cassandra"
  - receiver: 'frontend-pager'
    group_by: [product, environment]
    matchers:
    - team="frontend"
  - receiver: 'dev-pager'
    matchers:
      - service="inhouse-service"
    mute_time_intervals:
      - offhours
      - holidays
    continue: true
  - receiver: 'on-call-pager'
    matchers:
      - service="inhouse-service"
    active_time_intervals:
      - offhours
      - holidays
receivers:
  - name: default-receiver
  - name: database-pager
  - name: frontend-pager
  - name: dev-pager
  - name: on-call-pager
time_intervals:
  - name: offhours
    time_intervals:
      - times:
          - start_time: 17:00
            end_time: '24:00'
          - start_time: 00:00
            end_time: 09:00
        weekdays: ['monday:friday']
        location: 'Australia/Sydney'
      - weekdays: [Saturday, 'sunday']
  - name: holidays
    time_intervals:
      - days_of_month: ['25:26']
        months: [december]
      - days_of_month: [1, '-1']
        months: ['1:3', 'may:august', December]
        years: ['2020:2022', 2030]
"""

OLD_SPELLINGS = """
route:
  receiver: a
  routes:
    - match: {severity: critical}
      match_re: {service: "^(foo1|foo2|baz)$"}
      receiver: a
inhibit_rules:
  - source_match: {severity: critical}
    target_match: {severity: warning}
    target_match_re: {service: "a|b"}
    equal: ['alertname']
  - source_match_re: {alertname: ".*Down"}
    target_matchers: ['{alertname!~".*Down"}']
mute_time_intervals:
  - name: weekends
    time_intervals: [{weekdays: ['saturday', 'sunday']}]
receivers: [{name: a}]
"""

MATCHERS = r"""
route:
  receiver: a
  routes:
    - matchers: [ foo = bar, dings != bums ]
    - matchers: [ "foo = \"bar,baz\"", "dings != bums" ]
    - matchers: [ '{foo="bar", dings!="bums"}' ]
    - matchers:
        - |
            {quote=~"She said: \"Hi, all!( How're you…)?\""}
    - matchers: ['"label with spaces" = Προμηθεύς', 'foo=', 'path=~"\d+"']
receivers: [{name: a}]
"""

ALL_LABELS = """
route: {receiver: team-X, group_by: ['...'], group_wait: 0s}
receivers: [{name: team-X, webhook_configs: [{url: "http://127.0.0.1:5001/"}]}]
"""

PUSHOVER = """
route: {receiver: p}
receivers:
  - name: p
    pushover_configs:
      - user_key: uuuuuuuuuuuuuuuuuuuuuuuuuuuuuu
        token: tttttttttttttttttttttttttttttt
        title: '{{ .CommonLabels.alertname }}'
        priority: '{{ if eq .Status "firing" }}2{{ else }}0{{ end }}'
        retry: 1m
        expire: 1h
        sound: siren
        html: true
"""

OPSGENIE = """
global: {opsgenie_api_key: 8b799edf-6f98-4d3a-9be7-2862fb4e5752, opsgenie_api_url: "https://api.eu.opsgenie.com/"}
route: {receiver: o}
receivers:
  - name: o
    opsgenie_configs:
      - message: '{{ template "opsgenie.default.message" . }}'
        priority: P1
        tags: a,b
        update_alerts: true
        details: {firing: '{{ .Alerts.Firing | len }}'}
        responders: [{name: night, type: team}, {username: trinity@example.com, type: user}]
"""

CHAT = """
route: {receiver: chat}
receivers:
  - name: chat
    discord_configs:
      - webhook_url: https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js
        title: t
        message: m
    telegram_configs:
      - bot_token: 123456789:abcdefg_hijklmnop
        chat_id: -1001234
        message_thread_id: 7
        parse_mode: HTML
        disable_notifications: true
    webex_configs:
      - room_id: room-1
        http_config: {authorization: {credentials: bot-token}}
    msteams_configs:
      - webhook_url: https://x.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4
    msteamsv2_configs:
      - webhook_url: "https://prod-04.westus.logic.azure.com:443/workflows/643e69f83c8944438d68119179a10a64/triggers/\
manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=KODuebWbDGYFr0z0eu"
    rocketchat_configs:
      - {token_id: tid, token: tok, channel: '#ops', api_url: 'https://chat.example.org/'}
    mattermost_configs:
      - {webhook_url: 'https://mm.example.org/hooks/3ccdd113474722377935511fc85d3dd4', channel: ops}
"""

MORE = """
route: {receiver: more}
receivers:
  - name: more
    sns_configs:
      - api_url: https://sns.us-east-2.amazonaws.com
        topic_arn: arn:aws:sns:us-east-2:698519295917:My-Topic
        sigv4: {region: us-east-2, access_key: AHIAJGNT76XIMXDBIJYA, secret_key: bu1dHSdO22pfaaVy}
        attributes: {key1: value1}
      - phone_number: "+12223334444"
        sigv4: {region: us-east-2, access_key: AHIAJGNT76XIMXDBIJYA, secret_key: bu1dHSdO22pfaaVy}
    victorops_configs:
      - {api_key: aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa, routing_key: Sample_route}
    wechat_configs:
      - {api_secret: s3cret, corp_id: corp, agent_id: '1000002', to_user: anna|ben}
    jira_configs:
      - {api_url: 'https://company.atlassian.net/rest/api/2/', project: OPS, issue_type: Bug, labels: [a, '{{ .x }}'],
         fields: {components: {name: Monitoring}, customfield_10003: [{value: red}]}}
    signl4_configs: [{team_secret: abcdefgh}]
    incidentio_configs:
      - {url: 'https://api.incident.io/v2/alert_events/http/01GW2G3V0S59R238FAHPDS1R66', alert_source_token: tok}
"""

PAGERDUTY = """
route: {receiver: pd}
receivers:
  - name: pd
    pagerduty_configs:
      - routing_key_file: pd.key
        severity: '{{ .CommonLabels.severity }}'
        client_url: https://example.org
        details: {runbook: '{{ .CommonAnnotations.runbook_url }}'}
        images: [{src: https://example.org/a.png, alt: a}]
        links: [{href: https://example.org, text: x}]
      - service_key: old
"""

SLACK = """
global: {slack_api_url_file: slack.url}
route: {receiver: s}
receivers:
  - name: s
    slack_configs:
      - channel: '#alerts'
        send_resolved: true
        title: '{{ .CommonLabels.alertname }}'
        fields: [{title: a, value: b, short: true}]
        actions: [{type: button, text: Runbook, url: https://example.org}]
        mrkdwn_in: [text]
      - channel: '#bots'
        api_url: https://slack.com/api/chat.postMessage
        http_config: {authorization: {type: Bearer, credentials: xoxb}}
"""

EMAIL = """
global:
  smtp_smarthost: smtp.example.org:587
  smtp_from: a@example.org
  smtp_require_tls: false
route: {receiver: mail}
receivers:
  - name: mail
    email_configs:
      - to: x@example.org
        headers: {Subject: '[{{ .Status }}] {{ .GroupLabels.alertname }}'}
        html: ''
        text: '{{ template "mail.text" . }}'
        auth_username: u
        auth_password_file: mail.password
        tls_config: {insecure_skip_verify: true, min_version: TLS12}
"""

WEBHOOK = """
global: {http_config: {proxy_url: 'http://127.0.0.1:1025', follow_redirects: false}}
route: {receiver: w, repeat_interval: 1w2d3h}
receivers:
  - name: w
    webhook_configs:
      - {url: 'http://127.0.0.1:5001/hook', max_alerts: 3, timeout: 2s, send_resolved: false}
      - url: 'https://example.org/hook'
        http_config: {basic_auth: {username: u, password: p}, http_headers: {X-A: {values: [b]}}}
"""

EXAMPLES = {name: text for name, text in list(globals().items()) if name.isupper() and isinstance(text, str)}
